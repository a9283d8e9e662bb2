//! How bad a log line is, read from its words, so that an error can be seen among a thousand lines.

/// What a line says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Level {
    /// Nothing.
    #[default]
    None,
    /// Something for the one who wrote the program.
    Debug,
    /// Something ordinary.
    Info,
    /// Something to look at.
    Warning,
    /// Something that failed.
    Error,
}

/// Reads levels line by line; it remembers whether the lines are in the middle of a traceback.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LevelReader {
    in_traceback: bool,
}

/// The words are looked for at the beginning, where loggers put them, not in the message.
const HEAD: usize = 80;

impl LevelReader {
    /// The level of the next line.
    pub(crate) fn read(&mut self, line: &str) -> Level {
        if line.starts_with("Traceback (most recent call last)") {
            self.in_traceback = true;
            return Level::Error;
        }
        if self.in_traceback {
            // The first line that is not indented names the exception and ends the traceback.
            self.in_traceback = line.is_empty() || line.starts_with(char::is_whitespace);
            return Level::Error;
        }
        of_words(line)
    }
}

fn of_words(line: &str) -> Level {
    let end = line.char_indices().nth(HEAD).map_or(line.len(), |(at, _)| at);
    line[..end].split(|c: char| !c.is_ascii_alphabetic()).find_map(of_word).unwrap_or_default()
}

fn of_word(word: &str) -> Option<Level> {
    match word {
        "ERROR" | "CRITICAL" | "FATAL" | "error" | "Error" => Some(Level::Error),
        "WARNING" | "WARN" | "warning" | "warn" => Some(Level::Warning),
        "INFO" | "info" => Some(Level::Info),
        "DEBUG" | "TRACE" | "debug" => Some(Level::Debug),
        _ => None,
    }
}

impl Level {
    /// The name of its CSS class.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Debug => "level-debug",
            Self::Info => "level-info",
            Self::Warning => "level-warning",
            Self::Error => "level-error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(lines: &[&str]) -> Vec<Level> {
        let mut reader = LevelReader::default();
        lines.iter().map(|line| reader.read(line)).collect()
    }

    #[test]
    fn finds_the_word_where_loggers_put_it() {
        assert_eq!(
            levels(&["INFO: up", "2026-11-20 05:00:00,1 WARNING disk", "[ERROR] no", "plain", "errors: 0"]),
            [Level::Info, Level::Warning, Level::Error, Level::None, Level::None]
        );
    }

    #[test]
    fn a_traceback_is_an_error_to_its_last_line() {
        let lines = [
            "Traceback (most recent call last):",
            "  File \"a.py\", line 1, in <module>",
            "",
            "ValueError: no",
            "next",
        ];
        assert_eq!(levels(&lines), [Level::Error, Level::Error, Level::Error, Level::Error, Level::None]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(levels(&[&"ä".repeat(200)]), [Level::None]);
    }
}
