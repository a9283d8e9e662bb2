//! A command line, and whether a shell has to read it.
//!
//! A shell that waits for its one command is a process more for each app, and says 137 where the app was killed. It is
//! asked only where the line needs it: a line of plain words is its program and its arguments.

use std::path::{Path, PathBuf};

/// What the shell does itself (POSIX, 2.9.1.1 and 2.14; dash(1)): it has nothing to become.
const BUILTINS: &[&str] = &[
    ".", ":", "alias", "bg", "break", "case", "cd", "chdir", "command", "continue", "do", "done", "echo",
    "elif", "else", "esac", "eval", "exec", "exit", "export", "false", "fg", "fi", "for", "getopts", "hash",
    "if", "jobs", "kill", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift", "test",
    "then", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
];

/// The program of a line that is read in this folder, and its arguments. Those that are configured beside the line come
/// behind them: for a shell they are `"$@"`.
pub(super) fn program(line: &str, folder: &Path) -> (PathBuf, Vec<String>) {
    match plain_words(line) {
        Some(mut words) => {
            let program = words.remove(0);
            // A bare name is looked up in the app's own PATH (execvp(3)).
            let program = if program.contains('/') { folder.join(program) } else { program.into() };
            (program, words)
        }
        None => ("/bin/sh".into(), vec!["-c".to_owned(), script(line), "mantyx".to_owned()]),
    }
}

/// What the shell runs. Where the line surely is one program with its arguments, the shell becomes it.
fn script(line: &str) -> String {
    let program = line.split_whitespace().next().unwrap_or_default();
    let has_operator = line.contains([';', '&', '|', '(', ')', '<', '>', '`', '#', '\n', '\\']);
    let becomes = is_program(program) && program.chars().all(is_plain) && !has_operator;
    if becomes { format!("exec {line} \"$@\"") } else { format!("{line} \"$@\"") }
}

/// The words of a line in which nothing but single quotes means something to a shell (POSIX, 2.2), without an `exec`
/// before them. At least one.
fn plain_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, behind) = plain_word(rest)?;
        words.push(word);
        rest = behind.trim_start();
    }
    let unquoted = line.split_whitespace().next().unwrap_or_default();
    if unquoted == "exec" {
        words.remove(0);
    }
    words.first().is_some_and(|program| is_program(program)).then_some(words)
}

/// The first word, and what is behind it.
fn plain_word(text: &str) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut rest = text;
    loop {
        match rest.chars().next() {
            None => return Some((word, rest)),
            Some(c) if c.is_whitespace() => return Some((word, rest)),
            Some('\'') => {
                let (quoted, behind) = rest[1..].split_once('\'')?;
                word.push_str(quoted);
                rest = behind;
            }
            Some(c) if is_plain(c) || ":=,@%".contains(c) => {
                word.push(c);
                rest = &rest[c.len_utf8()..];
            }
            Some(_) => return None,
        }
    }
}

fn is_program(word: &str) -> bool {
    !word.is_empty() && !word.contains('=') && !BUILTINS.contains(&word)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./+-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn direct(line: &str) -> Option<Vec<String>> {
        let (program, arguments) = program(line, Path::new("/app"));
        let is_shell = program == Path::new("/bin/sh");
        let words = std::iter::once(program.display().to_string()).chain(arguments);
        (!is_shell).then(|| words.collect())
    }

    #[test]
    fn plain_words_need_no_shell() {
        assert_eq!(direct("uvicorn app:api --port=80").unwrap(), ["uvicorn", "app:api", "--port=80"]);
        assert_eq!(direct("exec '/opt/my app/run'  'a b'c").unwrap(), ["/opt/my app/run", "a bc"]);
        assert_eq!(direct("./run.sh ''").unwrap(), ["/app/./run.sh", ""]);
    }

    #[test]
    fn the_shell_stays_only_where_it_is_needed() {
        for line in ["uvicorn app:api --port $PORT", "./run.sh \"a b\"", " serve ~/x", "serve *.py"] {
            assert_eq!(direct(line), None, "{line}");
            assert_eq!(script(line), format!("exec {line} \"$@\""));
        }
        for line in [
            "",
            "exec",
            "cd web && serve",
            "cd web",
            "PORT=1 serve",
            "sleep 1; sleep 2",
            "serve > log",
            "$SHELL x",
            "while true",
            "{ serve",
            "! serve",
            "python -c \"print(1)\"",
            "a\"b",
            "[ x ]",
            "serve # x",
            "'open",
        ] {
            assert_eq!(direct(line), None, "{line}");
            assert_eq!(script(line), format!("{line} \"$@\""), "{line}");
        }
    }

    proptest! {
        /// The shell itself is asked what the words of a line are.
        #[test]
        fn plain_words_are_those_of_the_shell(line in "/bin/[a-z]{1,3}( {1,2}('[a-z $\"*]{0,3}'|[a-z:=,@%./+-]{1,3}){1,2}){0,3}") {
            let words = plain_words(&line).unwrap();
            let told = std::process::Command::new("/bin/sh")
                .args(["-c", &format!("printf '%s\\n' {line}")])
                .output()
                .unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            prop_assert_eq!(told.lines().collect::<Vec<_>>(), words);
        }
    }
}
