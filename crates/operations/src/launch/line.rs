//! A command line as the shell is given it.
//!
//! A shell that waits for its one command is a process more for each app, and says 137 where the app was killed. It
//! stays only where the line needs it.

/// What the shell does itself (POSIX, 2.9.1.1 and 2.14; dash(1)): it has nothing to become.
const BUILTINS: &[&str] = &[
    ".", ":", "alias", "bg", "break", "case", "cd", "chdir", "command", "continue", "do", "done", "echo",
    "elif", "else", "esac", "eval", "exec", "exit", "export", "false", "fg", "fi", "for", "getopts", "hash",
    "if", "jobs", "kill", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift", "test",
    "then", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
];

/// What the shell runs; arguments that are configured beside the line arrive as `"$@"`.
pub(super) fn script(line: &str) -> String {
    if is_one_program(line) { format!("exec {line} \"$@\"") } else { format!("{line} \"$@\"") }
}

/// Whether a line surely is one program with its arguments. Where one cannot be sure, as with anything in quotes that
/// would mean something outside of them, the shell stays.
fn is_one_program(line: &str) -> bool {
    let program = line.split_whitespace().next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./+-".contains(c);
    let has_operator = line.contains([';', '&', '|', '(', ')', '<', '>', '`', '#', '\n', '\\']);
    !program.is_empty() && program.chars().all(is_plain) && !BUILTINS.contains(&program) && !has_operator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_stays_only_where_it_is_needed() {
        for line in ["uvicorn app:api --port $PORT", "./run.sh 'a b'", " python -m http.server", "my-app"] {
            assert_eq!(script(line), format!("exec {line} \"$@\""));
        }
        for line in [
            "",
            "cd web && serve",
            "exec sleep 5",
            "PORT=1 serve",
            "sleep 1; sleep 2",
            "serve > log",
            "'my app' x",
            "$SHELL x",
            "while true",
            "{ serve",
            "! serve",
            "python -c 'print(1)'",
            "a\nb",
            "[ x ]",
            "serve # x",
        ] {
            assert_eq!(script(line), format!("{line} \"$@\""), "{line}");
        }
    }
}
