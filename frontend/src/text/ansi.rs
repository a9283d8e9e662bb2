//! The colours that programs write: the SGR sequences of ECMA-48, as far as terminals agree on them.
//!
//! A line is cut into spans of one style each. Everything that is not SGR (cursor movement, titles) is left out,
//! and of a line that was redrawn with carriage returns, as progress bars do, only the last drawing is kept.

/// A colour as a program asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// One of the 16 of the palette, which the theme names.
    Palette(u8),
    /// A colour of its own.
    Rgb(u8, u8, u8),
}

/// How a span looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// The colour of the text.
    pub(crate) foreground: Option<Colour>,
    /// The colour behind it.
    pub(crate) background: Option<Colour>,
    /// What else it is.
    pub(crate) attributes: Attributes,
}

/// What text can be beside coloured; each is a bit of [`Attributes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// Heavier.
    Bold = 1,
    /// Fainter.
    Dim = 2,
    /// Slanted.
    Italic = 4,
    /// With a line below.
    Underline = 8,
}

/// A set of attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(u8);

impl Attributes {
    /// Whether the set has it.
    pub(crate) const fn has(self, attribute: Attribute) -> bool {
        self.0 & attribute as u8 != 0
    }

    const fn add(&mut self, attribute: Attribute) {
        self.0 |= attribute as u8;
    }

    const fn remove(&mut self, attribute: Attribute) {
        self.0 &= !(attribute as u8);
    }
}

/// A piece of a line in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// How it looks.
    pub(crate) style: Style,
    /// What it says.
    pub(crate) text: String,
}

/// Cuts a line into spans.
pub(crate) fn spans(line: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut style = Style::default();
    each_part(last_drawing(line), |part| match part {
        Part::Text(text) => match spans.last_mut() {
            Some(last) if last.style == style => last.text.push_str(text),
            _ => spans.push(Span { style, text: text.to_owned() }),
        },
        Part::Sgr(parameters) => style = apply(style, parameters),
    });
    spans
}

/// The line as it reads without any style.
pub(crate) fn plain(line: &str) -> String {
    let line = last_drawing(line);
    let mut text = String::with_capacity(line.len());
    each_part(line, |part| {
        if let Part::Text(piece) = part {
            text.push_str(piece);
        }
    });
    text
}

/// What stays on the screen of a line that was drawn over itself.
fn last_drawing(line: &str) -> &str {
    line[drawn_from(line)..].trim_end_matches('\r')
}

/// Where the last drawing of a line begins.
pub(crate) fn drawn_from(line: &str) -> usize {
    line.trim_end_matches('\r').rfind('\r').map_or(0, |at| at + 1)
}

enum Part<'a> {
    Text(&'a str),
    Sgr(&'a str),
}

fn each_part<'a>(line: &'a str, mut tell: impl FnMut(Part<'a>)) {
    let mut rest = line;
    while let Some(start) = rest.find('\u{1b}') {
        if start > 0 {
            tell(Part::Text(&rest[..start]));
        }
        let (sequence, after) = split_sequence(&rest[start + 1..]);
        if let Some(parameters) = sequence {
            tell(Part::Sgr(parameters));
        }
        rest = after;
    }
    if !rest.is_empty() {
        tell(Part::Text(rest));
    }
}

/// Splits behind an ESC: the parameters when it is an SGR sequence, and what follows the sequence.
fn split_sequence(text: &str) -> (Option<&str>, &str) {
    if let Some(body) = text.strip_prefix('[') {
        let Some(end) = body.find(|c: char| ('@'..='~').contains(&c)) else { return (None, "") };
        let sgr = body[end..].starts_with('m').then(|| &body[..end]);
        return (sgr, &body[end + 1..]);
    }
    if let Some(body) = text.strip_prefix(']') {
        return (None, after_string(body));
    }
    let mut chars = text.chars();
    chars.next();
    (None, chars.as_str())
}

/// Operating system commands end with BEL or ST.
fn after_string(body: &str) -> &str {
    let bell = body.find('\u{7}').map(|at| at + 1);
    let terminator = body.find("\u{1b}\\").map(|at| at + 2);
    match (bell, terminator) {
        (Some(a), Some(b)) => &body[a.min(b)..],
        (Some(end), None) | (None, Some(end)) => &body[end..],
        (None, None) => "",
    }
}

fn apply(mut style: Style, parameters: &str) -> Style {
    let mut codes = parameters.split([';', ':']).map(|code| code.parse().unwrap_or(0u16));
    while let Some(code) = codes.next() {
        match code {
            0 => style = Style::default(),
            1 => style.attributes.add(Attribute::Bold),
            2 => style.attributes.add(Attribute::Dim),
            3 => style.attributes.add(Attribute::Italic),
            4 => style.attributes.add(Attribute::Underline),
            22 => {
                style.attributes.remove(Attribute::Bold);
                style.attributes.remove(Attribute::Dim);
            }
            23 => style.attributes.remove(Attribute::Italic),
            24 => style.attributes.remove(Attribute::Underline),
            30..=37 => style.foreground = palette(code - 30),
            38 => style.foreground = extended(&mut codes),
            39 => style.foreground = None,
            40..=47 => style.background = palette(code - 40),
            48 => style.background = extended(&mut codes),
            49 => style.background = None,
            90..=97 => style.foreground = palette(code - 90 + 8),
            100..=107 => style.background = palette(code - 100 + 8),
            _ => {}
        }
    }
    style
}

fn palette(index: u16) -> Option<Colour> {
    u8::try_from(index).ok().map(Colour::Palette)
}

/// `5;n` of the 256 colours, or `2;r;g;b`.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<Colour> {
    let mut byte = || codes.next().map(|code| u8::try_from(code).unwrap_or(u8::MAX));
    match byte()? {
        5 => byte().map(of_256),
        2 => Some(Colour::Rgb(byte()?, byte()?, byte()?)),
        _ => None,
    }
}

/// 16 of the palette, a cube of 6 × 6 × 6, and 24 greys, as xterm has them.
fn of_256(index: u8) -> Colour {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match index {
        0..=15 => Colour::Palette(index),
        16..=231 => {
            let cube = index - 16;
            Colour::Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (index - 232);
            Colour::Rgb(grey, grey, grey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreground(line: &str) -> Option<Colour> {
        spans(line)[0].style.foreground
    }

    #[test]
    fn a_plain_line_is_one_span() {
        assert_eq!(spans("hello"), [Span { style: Style::default(), text: "hello".into() }]);
        assert!(spans("").is_empty());
    }

    #[test]
    fn colours_begin_and_end() {
        let cut = spans("a \u{1b}[1;31mred\u{1b}[0m b");
        let texts: Vec<&str> = cut.iter().map(|span| span.text.as_str()).collect();
        assert_eq!(texts, ["a ", "red", " b"]);
        assert_eq!(cut[1].style.foreground, Some(Colour::Palette(1)));
        assert!(cut[1].style.attributes.has(Attribute::Bold));
        assert_eq!(cut[2].style, Style::default());
    }

    #[test]
    fn all_three_palettes() {
        assert_eq!(foreground("\u{1b}[92mx"), Some(Colour::Palette(10)));
        assert_eq!(foreground("\u{1b}[38;5;9mx"), Some(Colour::Palette(9)));
        assert_eq!(foreground("\u{1b}[38;5;196mx"), Some(Colour::Rgb(255, 0, 0)));
        assert_eq!(foreground("\u{1b}[38;5;244mx"), Some(Colour::Rgb(128, 128, 128)));
        assert_eq!(foreground("\u{1b}[38;2;1;2;300mx"), Some(Colour::Rgb(1, 2, 255)));
        assert_eq!(spans("\u{1b}[48;5;0mx")[0].style.background, Some(Colour::Palette(0)));
    }

    #[test]
    fn an_empty_sequence_resets() {
        assert_eq!(spans("\u{1b}[31ma\u{1b}[mb")[1].style, Style::default());
    }

    #[test]
    fn other_sequences_are_left_out() {
        assert_eq!(plain("\u{1b}[2K\u{1b}[1Gdone\u{1b}]0;title\u{7}!\u{1b}(B"), "done!B");
        assert_eq!(plain("a\u{1b}]8;;http://x\u{1b}\\link"), "alink");
        assert_eq!(plain("cut \u{1b}[3"), "cut ");
        assert_eq!(plain("cut \u{1b}"), "cut ");
    }

    #[test]
    fn a_progress_bar_shows_its_last_drawing() {
        assert_eq!(plain("10 %\r50 %\r100 %\r"), "100 %");
    }

    #[test]
    fn plain_is_what_the_spans_say() {
        for line in ["", "x", "\u{1b}[1mä\u{1b}[38;5;200mß", "\u{1b}[", "a\u{1b}[31", "\r\r", "\u{1b}é"] {
            let joined: String = spans(line).into_iter().map(|span| span.text).collect();
            assert_eq!(joined, plain(line), "{line:?}");
        }
    }
}
