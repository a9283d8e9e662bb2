//! The theme is CSS alone; this module holds its promises against it: every pair of colours that meets on the page
//! has the contrast of WCAG 2.2 AA, and no raw colour stands outside the tokens.

use std::collections::BTreeMap;

const TOKENS: &str = include_str!("0-tokens.css");

const REST: [&str; 10] = [
    include_str!("1-base.css"),
    include_str!("2-shell.css"),
    include_str!("3-controls.css"),
    include_str!("4-pieces.css"),
    include_str!("5-tables.css"),
    include_str!("6-log.css"),
    include_str!("7-screens.css"),
    include_str!("8-figures.css"),
    include_str!("9-changes.css"),
    include_str!("a-system.css"),
];

type Rgb = [f64; 3];

/// The opaque colours among the tokens.
fn colours() -> BTreeMap<String, Rgb> {
    let declaration = |line: &'static str| {
        let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
        let digits = value.strip_suffix(';')?;
        let channel = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok().map(f64::from);
        (digits.len() == 6).then_some(())?;
        Some((name.to_owned(), [channel(0)?, channel(2)?, channel(4)?]))
    };
    TOKENS.lines().filter_map(declaration).collect()
}

/// WCAG 2.2, relative luminance.
fn luminance(colour: Rgb) -> f64 {
    let linear = |channel: f64| {
        let share = channel / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (a, b) = (luminance(one), luminance(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn assert_contrast(inks: &[&str], grounds: &[&str], least: f64) {
    let colours = colours();
    for ink in inks {
        for ground in grounds {
            let reached = contrast(colours[*ink], colours[*ground]);
            assert!(reached >= least, "{ink} on {ground}: {reached:.2}, wanted {least}");
        }
    }
}

const GROUNDS: [&str; 5] = ["ground", "sunken", "raised", "hover", "pressed"];

#[test]
fn text_can_be_read_on_every_ground() {
    let inks =
        ["text", "text-2", "text-3", "running", "failed", "warning", "busy", "planned", "idle", "accent"];
    assert_contrast(&inks, &GROUNDS, 4.5);
    assert_contrast(&["accent-ink"], &["accent", "accent-hover"], 4.5);
}

#[test]
fn edges_and_focus_can_be_seen() {
    assert_contrast(&["edge", "focus"], &["ground", "sunken", "raised"], 3.0);
}

#[test]
fn what_programs_colour_can_be_read() {
    let palette: Vec<String> = (0..16).map(|index| format!("ansi-{index}")).collect();
    let palette: Vec<&str> = palette.iter().map(String::as_str).collect();
    assert_contrast(&palette, &["sunken", "hover"], 4.5);
}

/// A colour with some of the ground showing through, on that ground.
fn blended(name: &str, ground: Rgb) -> Rgb {
    let line = TOKENS.lines().find_map(|line| line.trim().strip_prefix(&format!("--{name}: #"))).unwrap();
    let channel = |at| f64::from(u8::from_str_radix(&line[at..at + 2], 16).unwrap());
    let share = channel(6) / 255.0;
    [0, 1, 2].map(|part| channel(2 * part) * share + ground[part] * (1.0 - share))
}

#[test]
fn differences_can_be_read() {
    let colours = colours();
    for (ink, soft) in [
        ("ansi-7", "running-soft"),
        ("running", "running-soft"),
        ("ansi-7", "failed-soft"),
        ("failed", "failed-soft"),
    ] {
        let reached = contrast(colours[ink], blended(soft, colours["sunken"]));
        assert!(reached >= 4.5, "{ink} on {soft}: {reached:.2}");
    }
}

#[test]
fn raw_colours_stand_in_the_tokens_alone() {
    for css in REST {
        for word in css.split([' ', ';', ':', '(', ')', ',']) {
            let digits = word.strip_prefix('#').unwrap_or_default();
            let colour = digits.len() >= 3 && digits.chars().all(|c| c.is_ascii_hexdigit());
            assert!(!colour, "`{word}` belongs into the tokens");
        }
    }
}
