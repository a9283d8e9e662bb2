//! What time it is, once a second, and how instants read in the time zone of the browser.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, Offset, Utc};
use leptos::prelude::*;

use crate::text::time;

/// A clock that signals every second.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    now: RwSignal<DateTime<Utc>>,
}

impl Clock {
    /// Starts to tick.
    pub(crate) fn start() -> Self {
        let now = RwSignal::new(Self::read());
        set_interval(move || now.set(Self::read()), Duration::from_secs(1));
        Self { now }
    }

    /// The browser's clock at this moment.
    pub(crate) fn read() -> DateTime<Utc> {
        read_clock()
    }

    /// Now, followed.
    pub(crate) fn now(self) -> DateTime<Utc> {
        self.now.get()
    }

    /// How long something has lasted.
    pub(crate) fn since(self, start: DateTime<Utc>) -> String {
        time::duration(self.now() - start)
    }

    /// How long ago something was.
    pub(crate) fn ago(self, then: DateTime<Utc>) -> String {
        time::ago(then, self.now())
    }

    /// How far ahead something is.
    pub(crate) fn until(self, then: DateTime<Utc>) -> String {
        time::until(then, self.now())
    }

    /// A time of day with as much date as it takes.
    pub(crate) fn moment(self, at: DateTime<Utc>) -> String {
        time::moment(at, self.now(), zone_at(at))
    }
}

/// A full instant to the second.
pub(crate) fn stamp(at: DateTime<Utc>) -> String {
    time::stamp(at, zone_at(at))
}

/// A time of day to the millisecond.
pub(crate) fn precise(at: DateTime<Utc>) -> String {
    time::precise(at, zone_at(at))
}

/// A weekday with date and time.
pub(crate) fn appointment(at: DateTime<Utc>) -> String {
    time::appointment(at, zone_at(at))
}

/// A time of day to the minute.
pub(crate) fn time_of_day(at: DateTime<Utc>) -> String {
    time::clock(at, zone_at(at))
}

/// A day of the year.
pub(crate) fn day(at: DateTime<Utc>) -> String {
    time::day(at, zone_at(at))
}

/// How many milliseconds the clock of the browser is ahead of UTC at that instant.
pub(crate) fn ahead(at: DateTime<Utc>) -> i64 {
    i64::from(zone_at(at).local_minus_utc()) * 1000
}

/// What a field for a local date and time holds, such as `2026-11-20T05:00`.
#[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit for 290,000 years")]
pub(crate) fn read_local(text: &str) -> Option<DateTime<Utc>> {
    let millis = js_sys::Date::parse(text);
    if millis.is_nan() { None } else { DateTime::from_timestamp_millis(millis as i64) }
}

/// The name of the browser's time zone.
pub(crate) fn timezone() -> String {
    let format = js_sys::Intl::DateTimeFormat::new(&js_sys::Array::new(), &js_sys::Object::new());
    js_sys::Reflect::get(&format.resolved_options(), &"timeZone".into())
        .ok()
        .and_then(|zone| zone.as_string())
        .unwrap_or_else(|| "UTC".to_owned())
}

/// The names of all time zones that the browser knows.
pub(crate) fn timezones() -> Vec<String> {
    use wasm_bindgen::JsCast;
    let list = || {
        let intl = js_sys::Reflect::get(&js_sys::global(), &"Intl".into()).ok()?;
        let supported = js_sys::Reflect::get(&intl, &"supportedValuesOf".into()).ok()?;
        let names = supported.dyn_into::<js_sys::Function>().ok()?.call1(&intl, &"timeZone".into()).ok()?;
        Some(names.dyn_into::<js_sys::Array>().ok()?.iter().filter_map(|name| name.as_string()).collect())
    };
    list().unwrap_or_default()
}

#[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit for 290,000 years")]
fn read_clock() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(js_sys::Date::now() as i64).unwrap_or_default()
}

/// The browser's offset at that instant, summer time included.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 are exact in a double, and an offset is at most a day"
)]
fn zone_at(at: DateTime<Utc>) -> FixedOffset {
    let date = js_sys::Date::new(&(at.timestamp_millis() as f64).into());
    let west = date.get_timezone_offset() * 60.0;
    FixedOffset::west_opt(west as i32).unwrap_or_else(|| Utc.fix())
}
