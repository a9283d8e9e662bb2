//! What people call things: display names, descriptions, tags. Free texts, but nothing that plays tricks.

use crate::error::FieldError;

/// The longest display name, in characters.
const DISPLAY_NAME: usize = 100;
/// The longest description, in characters.
const DESCRIPTION: usize = 4000;
/// The longest tag, in characters.
const TAG: usize = 40;
/// The most tags of one app.
const TAGS: usize = 20;

/// What is wrong with a display name.
#[must_use]
pub fn check_display_name(text: &str) -> Option<FieldError> {
    let wrong = |detail: String| Some(FieldError { field: "display_name".to_owned(), detail });
    if text.chars().count() > DISPLAY_NAME {
        return wrong(format!("A display name has at most {DISPLAY_NAME} characters"));
    }
    text.chars().find(|c| is_trick(*c)).and_then(|c| wrong(trick(c)))
}

/// What is wrong with a description, which may have lines.
#[must_use]
pub fn check_description(text: &str) -> Option<FieldError> {
    let wrong = |detail: String| Some(FieldError { field: "description".to_owned(), detail });
    if text.chars().count() > DESCRIPTION {
        return wrong(format!("A description has at most {DESCRIPTION} characters"));
    }
    text.chars().find(|c| is_trick(*c) && !matches!(c, '\n' | '\t')).and_then(|c| wrong(trick(c)))
}

/// Tags without blanks around them, each once; or what is wrong with them.
pub fn tidy_tags(tags: &[String]) -> Result<Vec<String>, FieldError> {
    let wrong = |detail: String| FieldError { field: "tags".to_owned(), detail };
    let mut tidy: Vec<String> = Vec::new();
    for tag in tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()) {
        if tag.chars().count() > TAG {
            return Err(wrong(format!("A tag has at most {TAG} characters")));
        }
        if let Some(c) = tag.chars().find(|c| is_trick(*c) || *c == ',') {
            return Err(wrong(trick(c)));
        }
        if !tidy.iter().any(|known| known == tag) {
            tidy.push(tag.to_owned());
        }
    }
    if tidy.len() > TAGS {
        return Err(wrong(format!("An app has at most {TAGS} tags")));
    }
    Ok(tidy)
}

/// Control characters, and those that turn the direction of text around (Unicode standard annex 9).
fn is_trick(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn trick(c: char) -> String {
    format!("The character {c:?} cannot be used here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_free_but_play_no_tricks() {
        assert_eq!(check_display_name("Wetter für Köln"), None);
        assert!(check_display_name("a\u{1b}[31m").is_some());
        assert!(check_display_name("a\u{202e}b").is_some());
        assert!(check_display_name(&"x".repeat(101)).is_some());
        assert_eq!(check_description("two\nlines"), None);
        assert!(check_description("bell\u{7}").is_some());
    }

    #[test]
    fn tags_are_tidied() {
        let tags = |texts: &[&str]| tidy_tags(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        assert_eq!(tags(&["a", "a", "", " b "]).unwrap(), ["a", "b"]);
        assert!(tags(&["a,b"]).is_err());
        assert!(tags(&[&"x".repeat(41)]).is_err());
    }
}
