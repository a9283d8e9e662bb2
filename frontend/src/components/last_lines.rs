//! The last lines that a program wrote before it ended, as it wrote them.

use leptos::prelude::*;

use super::log_rows::log_spans;

/// A block of lines in their colours.
pub(crate) fn last_lines(lines: &[String]) -> AnyView {
    let lines =
        lines.iter().map(|line| view! { <div>{log_spans(line)}</div> }.into_any()).collect::<Vec<_>>();
    view! { <div class="last-lines" role="group" aria-label="Last lines of its log" tabindex="0" data-testid="last-lines">{lines}</div> }.into_any()
}
