//! One line of a log as a row: time, stream, and its text in the colours that the program chose.

use leptos::prelude::*;
use mantyx_api_types::LogStream;

use super::dynamic::IntoViews;
use crate::state::clock;
use crate::state::log::Line;
use crate::text::ansi::{self, Attribute, Colour, Span, Style};

/// A row of the view.
pub(super) fn log_row(line: &Line, search: &str) -> impl IntoView + use<> {
    let (class, mark) = match line.stream {
        LogStream::Stdout => ("log-row", ""),
        LogStream::Stderr => ("log-row stderr", "err"),
    };
    let spans = ansi::spans(&line.text).into_iter().map(|span| span_view(span, search)).into_views();
    view! {
        <div class=format!("{class} {}", line.level.class())>
            <time class="log-time" title=clock::stamp(line.at)>{clock::precise(line.at)}</time>
            <span class="log-stream">{mark}</span>
            <span class="log-text">{spans}</span>
        </div>
    }
}

fn span_view(span: Span, search: &str) -> AnyView {
    let text = marked(&span.text, search);
    if span.style == Style::default() {
        return text;
    }
    view! {
        <span
            class=class(span.style)
            style:color=custom(span.style.foreground)
            style:background-color=custom(span.style.background)
        >
            {text}
        </span>
    }
    .into_any()
}

/// The text with what is searched for marked.
fn marked(text: &str, search: &str) -> AnyView {
    cut(text, search)
        .into_iter()
        .map(|(piece, hit)| {
            let piece = piece.to_owned();
            if hit { view! { <mark>{piece}</mark> }.into_any() } else { piece.into_any() }
        })
        .into_views()
        .into_any()
}

/// Cuts a text into pieces that are found and pieces between them, whatever the case of ASCII letters.
fn cut<'a>(text: &'a str, search: &str) -> Vec<(&'a str, bool)> {
    if search.is_empty() {
        return vec![(text, false)];
    }
    let (lower, wanted) = (text.to_ascii_lowercase(), search.to_ascii_lowercase());
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(at) = lower[from..].find(&wanted).map(|at| from + at) {
        pieces.push((&text[from..at], false));
        from = at + wanted.len();
        pieces.push((&text[at..from], true));
    }
    pieces.push((&text[from..], false));
    pieces.retain(|(piece, _)| !piece.is_empty());
    pieces
}

fn class(style: Style) -> String {
    let mut classes = Vec::new();
    if let Some(Colour::Palette(index)) = style.foreground {
        classes.push(format!("ansi-{index}"));
    }
    if let Some(Colour::Palette(index)) = style.background {
        classes.push(format!("ansi-on-{index}"));
    }
    let flags = [
        (Attribute::Bold, "ansi-bold"),
        (Attribute::Dim, "ansi-dim"),
        (Attribute::Italic, "ansi-italic"),
        (Attribute::Underline, "ansi-underline"),
    ];
    let set = flags.into_iter().filter(|(attribute, _)| style.attributes.has(*attribute));
    classes.extend(set.map(|(_, class)| class.to_owned()));
    classes.join(" ")
}

fn custom(colour: Option<Colour>) -> Option<String> {
    match colour {
        Some(Colour::Rgb(red, green, blue)) => Some(format!("rgb({red} {green} {blue})")),
        Some(Colour::Palette(_)) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_is_cut_out() {
        assert_eq!(
            cut("An error, ERROR", "error"),
            [("An ", false), ("error", true), (", ", false), ("ERROR", true)]
        );
        assert_eq!(cut("ä", "x"), [("ä", false)]);
        assert_eq!(cut("any", ""), [("any", false)]);
    }

    #[test]
    fn a_style_becomes_classes() {
        let spans = ansi::spans("\u{1b}[1;32;44mx");
        assert_eq!(class(spans[0].style), "ansi-2 ansi-on-4 ansi-bold");
        assert_eq!(custom(Some(Colour::Rgb(1, 2, 3))).as_deref(), Some("rgb(1 2 3)"));
    }
}
