//! Why a process failed, as far as its last words say it.

use mantyx_core::Exit;

/// The exit codes of a shell that does not find the program, or may not start it (POSIX, 2.8.2).
const NOT_FOUND: Exit = Exit::Code(127);
const NOT_EXECUTABLE: Exit = Exit::Code(126);

/// `SIGKILL`, which nobody sends to itself by accident.
const KILLED: Exit = Exit::Signal(9);

/// How many lines are believed to speak of the end. What was said before them was said of something that the app has
/// survived.
const LAST: usize = 12;

/// Looks for a cause that is known, from the last line backwards, and says it in a sentence. The caller knows
/// whether somebody stopped it.
#[must_use]
pub fn recognise(last_log_lines: &[String], exit: Exit) -> Option<String> {
    if exit.is_success() {
        return None;
    }
    if exit == KILLED {
        return Some(killed(last_log_lines));
    }
    (0..last_log_lines.len()).rev().take(LAST).find_map(|index| recognise_line(last_log_lines, index, exit))
}

fn recognise_line(lines: &[String], index: usize, exit: Exit) -> Option<String> {
    let line = lines[index].trim();
    not_started(line, exit)
        .or_else(|| missing_module(line))
        .or_else(|| syntax_error(line, &lines[..index]))
        .or_else(|| port_in_use(line, &lines[index..]))
        .or_else(|| not_permitted(line))
        .or_else(|| missing_file(line))
        .or_else(|| out_of_memory(line))
}

/// What dash says as `sh: 1: my: not found`, and bash as `sh: line 1: my: command not found`.
fn not_started(line: &str, exit: Exit) -> Option<String> {
    let (said, fault) = line.rsplit_once(": ")?;
    let program = said.rsplit_once(": ")?.1;
    match (exit, fault) {
        (NOT_FOUND, "not found" | "command not found" | "No such file or directory") => Some(format!(
            "The program `{program}` was not found: check the entrypoint, or add what brings it to the app's \
             dependencies"
        )),
        (NOT_EXECUTABLE, "Permission denied" | "Exec format error" | "cannot execute") => Some(format!(
            "The program `{program}` is not executable: give it the right to be executed, or start it with its \
             interpreter"
        )),
        _ => None,
    }
}

fn missing_module(line: &str) -> Option<String> {
    let rest = line
        .strip_prefix("ModuleNotFoundError: No module named ")
        .or_else(|| line.split_once(": No module named ").map(|(_, rest)| rest))?;
    let module = rest.split(';').next()?.trim_matches(['\'', '"', ' ']);
    Some(format!(
        "The module `{module}` is not installed: add it to the app's dependencies and install again"
    ))
}

/// Python names the place in a line before it: `File "/srv/app/main.py", line 3`.
fn syntax_error(line: &str, before: &[String]) -> Option<String> {
    let (kind, detail) = line.split_once(": ")?;
    if !matches!(kind, "SyntaxError" | "IndentationError" | "TabError") {
        return None;
    }
    let place = before.iter().rev().find_map(|line| place(line));
    let place = place.map(|(file, number)| format!(" in `{file}`, line {number}")).unwrap_or_default();
    Some(format!("The code has a syntax error{place}: {detail}"))
}

fn place(line: &str) -> Option<(&str, u32)> {
    let (file, rest) = line.trim().strip_prefix("File \"")?.split_once("\", line ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((file.rsplit('/').next()?, digits.parse().ok()?))
}

/// Said by Python and asyncio (`[Errno 98]`), Flask and gunicorn, each in their own way.
fn port_in_use(line: &str, from: &[String]) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let is_said = lower.contains("address already in use") || lower.contains("is in use by another program");
    if !is_said {
        return None;
    }
    let port = from.iter().take(2).find_map(|line| port(line));
    let which = port.map_or_else(|| "A port that the app needs".to_owned(), |port| format!("Port {port}"));
    Some(format!("{which} is already in use: stop what holds it, or give the app another port"))
}

/// The port in `('127.0.0.1', 8000)`, `Port 5000 is in use` or `('127.0.0.1:8000')`.
fn port(line: &str) -> Option<u16> {
    let behind = |separator: &str| {
        let rest = line.rsplit_once(separator)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    behind("Port ").or_else(|| behind("', ")).or_else(|| behind(":"))
}

fn not_permitted(line: &str) -> Option<String> {
    if let Some(rest) =
        behind_errno(line, "PermissionError", 13).or_else(|| behind_errno(line, "PermissionError", 1))
    {
        return Some(match quoted(rest) {
            Some(path) if is_of_source(path) => format!(
                "The app is not allowed to use `{path}`: its source is read-only, so write below `APP_DATA_DIR` instead"
            ),
            Some(path) => format!("The app is not allowed to use `{path}`"),
            None => "The app is not allowed to do something that it tried: permission denied".to_owned(),
        });
    }
    let path = quoted(behind_errno(line, "OSError", 30)?)?;
    Some(format!(
        "The app tried to write to `{path}`, which is read-only: write below `APP_DATA_DIR` instead"
    ))
}

/// A release is read-only, and a relative path is one of the folder that the app starts in.
fn is_of_source(path: &str) -> bool {
    !path.starts_with('/') || (path.contains("/apps/") && path.contains("/releases/"))
}

fn missing_file(line: &str) -> Option<String> {
    let python = || line.split_once("can't open file ").map(|(_, rest)| rest);
    let path = quoted(behind_errno(line, "FileNotFoundError", 2).or_else(python)?)?;
    Some(format!("The file `{path}` does not exist"))
}

/// Said by Python, by libraries such as NumPy, by the kernel's own words, and by C++.
fn out_of_memory(line: &str) -> Option<String> {
    let is_error = |word: &str| word.ends_with("MemoryError") && !word.contains(' ');
    let is_said = is_error(line.split(": ").next().unwrap_or_default())
        || line.contains("Cannot allocate memory")
        || line.contains("std::bad_alloc");
    is_said.then(|| "The app ran out of memory".to_owned())
}

/// Nothing that a process says before it is killed tells who did it, but want of memory explains it.
fn killed(lines: &[String]) -> String {
    let memory = lines.iter().rev().find_map(|line| out_of_memory(line.trim()));
    memory.unwrap_or_else(|| "The app was killed from outside (SIGKILL)".to_owned())
}

/// What stands behind `Kind: [Errno n]`.
fn behind_errno<'a>(line: &'a str, kind: &str, number: u32) -> Option<&'a str> {
    line.strip_prefix(kind)?.strip_prefix(&format!(": [Errno {number}]"))
}

/// The first text in quotes.
fn quoted(text: &str) -> Option<&str> {
    let start = text.find(['\'', '"'])?;
    let quote = text[start..].chars().next()?;
    text[start + 1..].split(quote).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(log: &str) -> Option<String> {
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        recognise(&lines, Exit::Code(1))
    }

    fn starts(log: &str, expected: &str) {
        let cause = cause(log).unwrap_or_default();
        assert!(cause.starts_with(expected), "{cause}");
    }

    #[test]
    fn a_missing_module_is_named() {
        let log = "Traceback (most recent call last):\n  File \"/a/main.py\", line 1, in <module>\n    import flask\nModuleNotFoundError: No module named 'flask'";
        starts(log, "The module `flask` is not installed");
        starts("/v/bin/python: No module named uvicorn", "The module `uvicorn` is not installed");
        starts("ModuleNotFoundError: No module named 'a.b'; 'a' is not a package", "The module `a.b` is not");
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        let log = "  File \"/a/main.py\", line 3\n    def f(\n         ^\nSyntaxError: '(' was never closed";
        starts(log, "The code has a syntax error in `main.py`, line 3: '(' was never closed");
        starts("IndentationError: unexpected indent", "The code has a syntax error: unexpected indent");
    }

    #[test]
    fn a_port_in_use_is_named_where_it_is_known() {
        starts("OSError: [Errno 98] Address already in use", "A port that the app needs is already in use");
        let asyncio = "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use";
        starts(asyncio, "Port 8000 is already in use");
        starts("Address already in use\nPort 5000 is in use by another program.", "Port 5000 is");
        starts("[ERROR] Connection in use: ('0.0.0.0', 8001)\nOSError: x: Address already in use", "A port");
    }

    #[test]
    fn files_are_named() {
        let denied = "PermissionError: [Errno 13] Permission denied: '/etc/shadow'";
        starts(denied, "The app is not allowed to use `/etc/shadow`");
        assert!(!cause(denied).unwrap().contains("APP_DATA_DIR"));
        for own in ["out.csv", "/srv/mantyx/apps/wiki/releases/3/out.csv"] {
            let denied = format!("PermissionError: [Errno 13] Permission denied: '{own}'");
            assert!(cause(&denied).unwrap().contains("write below `APP_DATA_DIR`"), "{own}");
        }
        starts(
            "PermissionError: [Errno 1] Operation not permitted",
            "The app is not allowed to do something",
        );
        starts("OSError: [Errno 30] Read-only file system: 'out.txt'", "The app tried to write to `out.txt`");
        let missing = "FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'";
        starts(missing, "The file `data.csv` does not exist");
        let script = "python: can't open file '/a/x.py': [Errno 2] No such file or directory";
        starts(script, "The file `/a/x.py` does not exist");
    }

    #[test]
    fn memory_is_blamed_only_where_the_log_says_so() {
        starts("MemoryError", "The app ran out of memory");
        starts(
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3 GiB",
            "The app ran out of memory",
        );
        starts("OSError: [Errno 12] Cannot allocate memory", "The app ran out of memory");
        let killed = |log: &str| {
            let lines: Vec<String> = log.lines().map(str::to_owned).collect();
            recognise(&lines, Exit::Signal(9)).unwrap()
        };
        assert_eq!(killed(""), "The app was killed from outside (SIGKILL)");
        assert_eq!(killed("ModuleNotFoundError: No module named 'a'"), killed(""));
        assert_eq!(killed("no MemoryError: today"), killed(""));
        assert_eq!(killed("MemoryError"), "The app ran out of memory");
        assert_eq!(recognise(&[], Exit::Signal(15)), None);
    }

    #[test]
    fn a_shell_names_the_program_that_it_cannot_start() {
        let said = |line: &str, code| recognise(&[line.to_owned()], Exit::Code(code)).unwrap_or_default();
        for line in
            ["/bin/sh: 1: my: not found", "sh: line 1: my: command not found", "sh: 1: exec: my: not found"]
        {
            assert!(said(line, 127).starts_with("The program `my` was not found"), "{line}");
        }
        let denied = said("/bin/sh: 1: ./run.sh: Permission denied", 126);
        assert!(denied.starts_with("The program `./run.sh` is not executable"), "{denied}");
        assert_eq!(said("/bin/sh: 1: my: not found", 1), "");
    }

    #[test]
    fn the_last_word_counts_and_success_has_no_cause() {
        starts("ModuleNotFoundError: No module named 'a'\nMemoryError", "The app ran out of memory");
        assert_eq!(cause("all is well\nValueError: 3"), None);
        let survived = format!("MemoryError\n{}", "still here\n".repeat(20));
        assert_eq!(cause(&survived), None);
        assert_eq!(recognise(&["MemoryError".to_owned()], Exit::Code(0)), None);
    }
}
