//! Sentences of the API put names and paths in backticks; the page sets them in the type of machines.

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Ordinary words.
    Words(String),
    /// What stood between backticks.
    Code(String),
}

/// Cuts a sentence at its backticks. A backtick without a partner is itself.
pub(crate) fn pieces(sentence: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, behind)) = after.split_once('`') else { break };
        if !before.is_empty() {
            pieces.push(Piece::Words(before.to_owned()));
        }
        pieces.push(Piece::Code(code.to_owned()));
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Words(rest.to_owned()));
    }
    pieces
}

/// Words as a sentence begins. What begins with a name of a machine stays as it is.
pub(crate) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stands_apart() {
        let words = |text: &str| Piece::Words(text.into());
        let code = |text: &str| Piece::Code(text.into());
        assert_eq!(
            pieces("There is no `x` in `y`"),
            [words("There is no "), code("x"), words(" in "), code("y")]
        );
        assert_eq!(pieces("a ` alone"), [words("a ` alone")]);
        assert!(pieces("").is_empty());
    }

    #[test]
    fn a_sentence_begins_with_a_capital() {
        assert_eq!(sentence("a name is `x`"), "A name is `x`");
        assert_eq!(sentence("`x` is no name"), "`x` is no name");
        assert_eq!(sentence(""), "");
    }
}
