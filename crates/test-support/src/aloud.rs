//! What a fixture has to say although the test may pass: its harness would keep what is printed the usual way to
//! itself.

use std::io::Write as _;

/// Says something to whoever looks at the tests.
pub(crate) fn say(words: &str) {
    // Nobody is left who could be told that nobody listens.
    let _ = writeln!(std::io::stderr().lock(), "{words}");
}
