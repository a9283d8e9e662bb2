//! Colours, and only where they are seen: the one place that knows how a terminal is told of them.

use std::io::IsTerminal as _;

use crate::output::{Kept, printable};

/// Who reads what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// A file or a program: nothing of a text is touched.
    Untouched,
    /// A person at a terminal that shows no colours, or shall not.
    Plain,
    /// A person at a terminal.
    Coloured,
}

/// What a line is, which decides about its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// A line like others.
    Text,
    /// What others belong to.
    Heading,
    /// Where in a file it is.
    Place,
    /// What is new.
    Added,
    /// What is gone.
    Removed,
}

impl Paint {
    /// Who reads standard output.
    pub(crate) fn of_stdout() -> Self {
        Self::of(std::io::stdout().is_terminal(), |name| std::env::var(name).ok())
    }

    /// `NO_COLOR` is what people set who want none (no-color.org).
    fn of(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let incapable = variable("TERM").is_some_and(|kind| kind == "dumb");
        match terminal {
            false => Self::Untouched,
            true if unwanted || incapable => Self::Plain,
            true => Self::Coloured,
        }
    }

    /// One line of a text that may come from anywhere, without its end.
    pub(crate) fn line(self, ink: Ink, text: &str) -> String {
        match (self, ink.sequence()) {
            (Self::Untouched, _) => text.to_owned(),
            (Self::Coloured, Some(colour)) => {
                format!("\u{1b}[{colour}m{}\u{1b}[0m", printable(text, Kept::Tabs))
            }
            (Self::Plain, _) | (Self::Coloured, None) => printable(text, Kept::Tabs),
        }
    }
}

impl Ink {
    /// The parameters of its sequence (SGR of ECMA-48).
    const fn sequence(self) -> Option<&'static str> {
        match self {
            Self::Text => None,
            Self::Heading => Some("1"),
            Self::Place => Some("36"),
            Self::Added => Some("32"),
            Self::Removed => Some("31"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_wants_colours_has_them() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        assert_eq!(Paint::of(false, |_| None), Paint::Untouched);
        assert_eq!(Paint::of(true, |_| None), Paint::Coloured);
        assert_eq!(Paint::of(true, with("NO_COLOR", "1")), Paint::Plain);
        assert_eq!(Paint::of(true, with("NO_COLOR", "")), Paint::Coloured);
        assert_eq!(Paint::of(true, with("TERM", "dumb")), Paint::Plain);
    }

    #[test]
    fn what_is_not_seen_is_not_touched_and_what_is_cannot_rule_the_terminal() {
        let text = "a\tb\u{1b}[2J";
        assert_eq!(Paint::Untouched.line(Ink::Added, text), text);
        assert_eq!(Paint::Plain.line(Ink::Added, text), "a\tb\\u{1b}[2J");
        assert_eq!(Paint::Coloured.line(Ink::Added, text), "\u{1b}[32ma\tb\\u{1b}[2J\u{1b}[0m");
        assert_eq!(Paint::Coloured.line(Ink::Text, "x"), "x");
    }
}
