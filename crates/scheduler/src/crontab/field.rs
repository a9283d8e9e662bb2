//! One field of a cron line: numbers, names, ranges, lists and steps.

use mantyx_core::{Code, Error, Result};

/// Which field it is and what it takes.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
    note: &'static str,
}

pub(super) const MINUTE: Unit = Unit { name: "Minute", low: 0, high: 59, names: &[], note: "" };
pub(super) const HOUR: Unit = Unit { name: "Hour", low: 0, high: 23, names: &[], note: "" };
pub(super) const DAY: Unit = Unit { name: "Day of month", low: 1, high: 31, names: &[], note: "" };
pub(super) const MONTH: Unit = Unit {
    name: "Month",
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    note: "",
};
pub(super) const WEEKDAY: Unit = Unit {
    name: "Day of week",
    low: 0,
    high: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    note: " (Sunday is 0 or 7)",
};

/// Whether a field has a `*`: crontab(5) calls it unrestricted even behind a step or in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Wild,
    Restricted,
}

/// The numbers that a field allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    bits: u64,
    pub(super) form: Form,
    /// The step of a field that is `*/step` and nothing else.
    pub(super) step: Option<u32>,
}

impl Field {
    pub(super) fn parse(unit: &Unit, text: &str) -> Result<Self> {
        let mut bits = 0;
        for item in text.split(',') {
            bits |= parse_item(unit, item)?;
        }
        // The seventh day of the week is the first one again.
        if unit.high == 7 && bits & (1 << 7) != 0 {
            bits = bits & !(1 << 7) | 1;
        }
        let form = if text.contains('*') { Form::Wild } else { Form::Restricted };
        let step = text.strip_prefix("*/").and_then(|step| step.parse().ok()).filter(|step| *step > 1);
        Ok(Self { bits, form, step })
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        number < u64::BITS && self.bits & (1 << number) != 0
    }

    /// The numbers in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(|number| self.contains(*number))
    }

    /// How many numbers there are.
    pub(super) fn count(&self) -> u32 {
        self.bits.count_ones()
    }
}

/// `*`, a number, a range, or one of `*` and a range with a step.
fn parse_item(unit: &Unit, item: &str) -> Result<u64> {
    let (range, step) = match item.split_once('/') {
        None => (item, 1),
        Some((range, step)) => (range, parse_step(unit, item, range, step)?),
    };
    let (low, high) = parse_range(unit, item, range)?;
    if low > high {
        let hint = format!("Write `{low}-{},{}-{high}`", last_of(unit), unit.low);
        return Err(wrong(unit, item, "runs backwards").hint(hint));
    }
    Ok((low..=high).step_by(step).fold(0, |bits, number| bits | 1 << number))
}

fn parse_range(unit: &Unit, item: &str, range: &str) -> Result<(u32, u32)> {
    if range == "*" {
        return Ok((unit.low, last_of(unit)));
    }
    match range.split_once('-') {
        None => parse_number(unit, item, range).map(|number| (number, number)),
        Some((low, high)) => {
            let low = parse_number(unit, item, low)?;
            Ok((low, upper(unit, high, parse_number(unit, item, high)?)))
        }
    }
}

/// The last number that is not a second name for the first one.
fn last_of(unit: &Unit) -> u32 {
    if unit.high == 7 { 6 } else { unit.high }
}

/// `fri-sun` ends with the week: a Sunday behind the dash is the seventh day, not the first.
fn upper(unit: &Unit, text: &str, number: u32) -> u32 {
    if unit.high == 7 && number == 0 && text.eq_ignore_ascii_case("sun") { 7 } else { number }
}

fn parse_step(unit: &Unit, item: &str, range: &str, step: &str) -> Result<usize> {
    if range != "*" && !range.contains('-') {
        let hint = format!("Write `{range}-{}/{step}` or `*/{step}`", last_of(unit));
        return Err(wrong(unit, item, "has a step without a range").hint(hint));
    }
    match step.parse() {
        Ok(0) => Err(wrong(unit, item, "has a step of nothing").hint("A step is at least 1")),
        Ok(number) if step.chars().all(|c| c.is_ascii_digit()) => Ok(number),
        _ => Err(wrong(unit, item, "has a step that is not a number")),
    }
}

fn parse_number(unit: &Unit, item: &str, text: &str) -> Result<u32> {
    if let Some(index) = unit.names.iter().position(|name| text.eq_ignore_ascii_case(name)) {
        return Ok(unit.low + u32::try_from(index).unwrap_or_default());
    }
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return Err(unreadable(unit, item, text));
    }
    // Digits that do not fit are too far in any case.
    let number = text.parse().unwrap_or(u32::MAX);
    let Unit { name, low, high, note, .. } = unit;
    let limits = |fault| {
        Error::new(Code::InvalidSchedule, format!("{name} goes from {low} to {high}{note}: `{item}` {fault}"))
    };
    match number {
        _ if number < *low => Err(limits("begins too low")),
        _ if number > *high => Err(limits("is too far")),
        _ => Ok(number),
    }
}

fn unreadable(unit: &Unit, item: &str, text: &str) -> Error {
    let error = match text {
        "" => wrong(unit, item, "lacks a number"),
        _ => wrong(unit, item, &format!("has `{text}`, which is not a number")),
    };
    match unit.names.get(1) {
        Some(name) => error.hint(format!("Names have three letters, such as `{name}`")),
        None => error,
    }
}

fn wrong(unit: &Unit, item: &str, fault: &str) -> Error {
    let detail = match item {
        "" => format!("{} has an empty item in its list", unit.name),
        _ => format!("{}: `{item}` {fault}", unit.name),
    };
    Error::new(Code::InvalidSchedule, detail)
}
