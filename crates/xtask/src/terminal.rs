//! What a person at the terminal reads: one line a step, times beside them, refusals with their causes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is what this tool speaks to")]

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// A step begins.
pub(crate) fn step(title: &str) {
    println!("{} {title}", painted("1;32", "▸"));
}

/// Something worth knowing about the step that is under way.
pub(crate) fn note(text: &str) {
    println!("  {text}");
}

/// A line by itself.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A step ended well.
pub(crate) fn done(text: &str, since: Instant) {
    println!("{} {text} {}", painted("1;32", "✓"), painted("2", &took(since.elapsed())));
}

/// A step ended badly.
pub(crate) fn failed(text: &str, since: Instant) {
    println!("{} {text} {}", painted("1;31", "✗"), painted("2", &took(since.elapsed())));
}

/// The tool ends badly: what failed, and under it why.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("{} {error}", painted("1;31", "error:"));
    for cause in error.chain().skip(1) {
        eprintln!("  {cause}");
    }
}

/// A duration as people say it: `0.4 s`, `37 s`, `2 min 5 s`.
pub(crate) fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A size as people say it: `812 B`, `38.1 kB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        _ => format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100),
    }
}

/// The text without escape sequences such as `\x1b[1m`.
pub(crate) fn without_colours(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

fn painted(style: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_times_and_sizes_as_people_do() {
        assert_eq!(took(Duration::from_millis(420)), "0.4 s");
        assert_eq!(took(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(size(812), "812 B");
        assert_eq!(size(38_149), "38.1 kB");
    }
}
