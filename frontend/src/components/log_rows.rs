//! One line of a log as a row: time, stream, and its text in the colours that the program chose.

use leptos::prelude::*;
use mantyx_api_types::LogStream;

use super::dynamic::IntoViews;
use crate::state::clock;
use crate::state::log::{Content, Line, Part};
use crate::state::search::{Case, Search};
use crate::text::ansi::{self, Attribute, Colour, Span, Style};

/// A row that is drawn.
pub(super) struct Row {
    /// Its line.
    pub(super) line: Line,
    /// What was searched for when it was found.
    pub(super) search: Search,
    /// Which search it belongs to.
    pub(super) searches: u32,
    /// Whether it is the one that was asked for.
    pub(super) marked: bool,
}

/// A row of the view. Where `jump` is given, its time leads to that moment.
pub(super) fn log_row(row: &Row, jump: Option<Callback<Line>>) -> AnyView {
    let Row { line, search, marked, .. } = row;
    let Content::Text(text) = &line.content else { return gap(&line.content) };
    let (class, stream) = match line.stream {
        LogStream::Stdout => ("log-row", ""),
        LogStream::Stderr => ("log-row stderr", "err"),
    };
    let (title, mark) = match line.part {
        Part::Beginning => (None, stream.to_owned()),
        Part::Rest => (Some("The line above goes on"), format!("↳{stream}")),
    };
    let here = if *marked { "here" } else { "" };
    view! {
        <div class=format!("{class} {} {here}", line.level.class())>
            {time(line, jump)}
            <span class="log-stream" title=title>{mark}</span>
            <span class="log-text">{spans(text, search.mark(), search.case)}</span>
        </div>
    }
    .into_any()
}

fn time(line: &Line, jump: Option<Callback<Line>>) -> AnyView {
    let (stamp, words, line) = (clock::stamp(line.at), clock::precise(line.at), line.clone());
    match jump {
        None => view! { <time class="log-time" title=stamp>{words}</time> }.into_any(),
        Some(jump) => view! {
            <button
                type="button"
                class="log-time log-jump"
                data-testid="log-jump"
                title=format!("{stamp}: show what was written around it")
                on:click=move |_| jump.run(line.clone())
            >
                {words}
            </button>
        }
        .into_any(),
    }
}

fn gap(content: &Content) -> AnyView {
    view! { <div class="log-row log-gap" data-testid="log-gap"><span class="log-time">"···"</span> {content.words()}</div> }
        .into_any()
}

/// The text of a line in its colours.
pub(super) fn log_spans(text: &str) -> AnyView {
    spans(text, "", Case::Ignored)
}

fn spans(text: &str, search: &str, case: Case) -> AnyView {
    ansi::spans(text).into_iter().map(|span| span_view(span, search, case)).into_views()
}

fn span_view(span: Span, search: &str, case: Case) -> AnyView {
    let text = marked(&span.text, search, case);
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
fn marked(text: &str, search: &str, case: Case) -> AnyView {
    cut(text, search, case)
        .into_iter()
        .map(|(piece, hit)| {
            let piece = piece.to_owned();
            if hit { view! { <mark>{piece}</mark> }.into_any() } else { piece.into_any() }
        })
        .into_views()
        .into_any()
}

/// Cuts a text into pieces that are found and pieces between them; of letters that are not ASCII the case matters.
fn cut<'a>(text: &'a str, search: &str, case: Case) -> Vec<(&'a str, bool)> {
    if search.is_empty() {
        return vec![(text, false)];
    }
    let (lower, wanted) = match case {
        Case::Ignored => (text.to_ascii_lowercase(), search.to_ascii_lowercase()),
        Case::Matters => (text.to_owned(), search.to_owned()),
    };
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
            cut("An error, ERROR", "error", Case::Ignored),
            [("An ", false), ("error", true), (", ", false), ("ERROR", true)]
        );
        assert_eq!(cut("ä", "x", Case::Ignored), [("ä", false)]);
        assert_eq!(cut("any", "", Case::Ignored), [("any", false)]);
        assert_eq!(cut("a A", "A", Case::Matters), [("a ", false), ("A", true)]);
    }

    #[test]
    fn a_style_becomes_classes() {
        let spans = ansi::spans("\u{1b}[1;32;44mx");
        assert_eq!(class(spans[0].style), "ansi-2 ansi-on-4 ansi-bold");
        assert_eq!(custom(Some(Colour::Rgb(1, 2, 3))).as_deref(), Some("rgb(1 2 3)"));
    }
}
