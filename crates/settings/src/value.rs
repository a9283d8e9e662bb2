//! The notation of each kind of value: how it is read from text, how it is written, and what it takes, for people.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chrono_tz::Tz;
use mantyx_core::is_account_name;
use serde_json::Value;

use crate::units::{bytes, duration, is_bare, write_bytes, write_duration};

/// How one kind of value is read and written.
pub(crate) struct Notation<T> {
    /// What it takes, to be read behind "it takes".
    pub(crate) form: &'static str,
    /// The value, or why the text is none.
    pub(crate) read: fn(&str) -> Result<T, String>,
    /// The value as JSON and TOML say it; what is written is read as the same value again.
    pub(crate) write: fn(&T) -> Value,
}

/// How the daemon's own log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What becomes of apps when the daemon is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnShutdown {
    /// They stay alive, and the next daemon finds them.
    LeaveApps,
    /// They end with it, and the next daemon starts those that ran.
    StopApps,
}

/// The least important messages that the daemon's own log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What is odd.
    Warn,
    /// What happened.
    Info,
    /// How it happened.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The name that filters take.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

pub(crate) const ADDRESS: Notation<SocketAddr> = Notation {
    form: "an IP address and a port: `127.0.0.1:8420`, `[::1]:8420`",
    read: |text| text.parse().map_err(|_| "this is not an address with a port".to_owned()),
    write: |address| address.to_string().into(),
};
pub(crate) const BYTES: Notation<u64> = Notation {
    form: "bytes, or a size with its unit: `100 MiB`",
    read: bytes,
    write: |size| write_bytes(*size).into(),
};
pub(crate) const COUNT: Notation<u64> =
    Notation { form: "a number from 1", read: at_least_one, write: |number| (*number).into() };
pub(crate) const KEPT: Notation<u32> =
    Notation { form: "a number from 1 to 1000", read: kept, write: |number| (*number).into() };
pub(crate) const PORT: Notation<u16> =
    Notation { form: "a port from 1 to 65535", read: at_least_one, write: |port| (*port).into() };
pub(crate) const DURATION: Notation<Duration> = Notation {
    form: "seconds, or a time with its unit: `15 min`",
    read: duration,
    write: |time| write_duration(*time).into(),
};
pub(crate) const INTERVAL: Notation<Duration> = Notation {
    form: "seconds, or a time with its unit: `5 min`; 1 day at most",
    read: |text| duration(text).and_then(|time| at_most(time, RAREST)),
    write: DURATION.write,
};
pub(crate) const RETENTION: Notation<Duration> = Notation {
    form: "a time with its unit: `30 days`, `12 hours`; 36500 days at most",
    read: retention,
    write: DURATION.write,
};
pub(crate) const LIST: Notation<Vec<String>> = Notation {
    form: "a list; with commas in between in a variable",
    read: |text| Ok(list(text)),
    write: |items| items.clone().into(),
};
/// Whether it is one is seen where schedules are known: see [`Live::change`](crate::Live::change).
pub(crate) const OPTIONAL_CRON: Notation<Option<String>> = Notation {
    form: "five fields as in crontab(5): `0 3 * * *`, or `@daily`",
    read: |text| optional(text.trim(), |line| Ok(line.to_owned())),
    write: |line| line.clone().into(),
};
pub(crate) const OPTIONAL_ZONE: Notation<Option<String>> = Notation {
    form: "the IANA name of a time zone: `Europe/Berlin`",
    read: |text| optional(text, zone),
    write: |zone| zone.clone().into(),
};
pub(crate) const OPTIONAL_URL: Notation<Option<String>> = Notation {
    form: "a web address: `https://mantyx.example.org`",
    read: |text| optional(text, url),
    write: |url| url.clone().into(),
};
pub(crate) const OPTIONAL_FOLDER: Notation<Option<PathBuf>> = Notation {
    form: "the path of a folder",
    read: |text| optional(text, folder),
    write: |path| write_path(path.as_deref()),
};
pub(crate) const OPTIONAL_ACCOUNT: Notation<Option<String>> = Notation {
    form: "the name of a user of this machine",
    read: |text| optional(text, account),
    write: |name| name.clone().into(),
};
pub(crate) const OPTIONAL_PROGRAM: Notation<Option<PathBuf>> = Notation {
    form: "the path of a program",
    read: |text| optional(text, program),
    write: |path| write_path(path.as_deref()),
};
pub(crate) const LOG_FORMAT: Notation<LogFormat> = Notation {
    form: "`text` or `json`",
    read: |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("there is no such format".to_owned()),
    },
    write: |format| match format {
        LogFormat::Text => "text".into(),
        LogFormat::Json => "json".into(),
    },
};
pub(crate) const ON_SHUTDOWN: Notation<OnShutdown> = Notation {
    form: "`true` or `false`",
    read: |text| match text {
        "true" => Ok(OnShutdown::StopApps),
        "false" => Ok(OnShutdown::LeaveApps),
        _ => Err("this is neither".to_owned()),
    },
    write: |on| (*on == OnShutdown::StopApps).into(),
};
pub(crate) const LOG_LEVEL: Notation<LogLevel> = Notation {
    form: "`error`, `warn`, `info`, `debug` or `trace`",
    read: |text| {
        const ALL: [LogLevel; 5] =
            [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
        let level = ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| "there is no such level".to_owned())
    },
    write: |level| level.as_str().into(),
};

/// The longest time that anything is kept, so that an instant that lies so far back can always be named.
const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

/// The longest pause between two looks at everything.
const RAREST: Duration = Duration::from_secs(86_400);

/// The most of one kind that an app may keep.
const MOST_KEPT: u32 = 1000;

/// How long something is kept. A number without a unit is refused: whoever means days would lose all but the last
/// seconds.
fn retention(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if is_bare(text) {
        return Err("it has no unit, so that it could be seconds or days".to_owned());
    }
    at_most(time, LONGEST)
}

fn at_most(time: Duration, limit: Duration) -> Result<Duration, String> {
    if time <= limit { Ok(time) } else { Err(format!("more than {} is too much", write_duration(limit))) }
}

fn kept(text: &str) -> Result<u32, String> {
    match at_least_one(text)? {
        number if number <= MOST_KEPT => Ok(number),
        _ => Err(format!("more than {MOST_KEPT} is too much")),
    }
}

/// A whole number that is not 0.
pub(crate) fn at_least_one<T: FromStr + Default + PartialEq>(text: &str) -> Result<T, String> {
    match text.trim().parse::<T>() {
        Ok(number) if number != T::default() => Ok(number),
        Ok(_) => Err("0 is too little".to_owned()),
        Err(_) => Err("this is not a number that fits".to_owned()),
    }
}

/// Nothing, or what a reader makes of something.
fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

fn zone(text: &str) -> Result<String, String> {
    let zone: Tz = text.parse().map_err(|_| "there is no such time zone".to_owned())?;
    Ok(zone.name().to_owned())
}

/// An address that paths can be put behind: without a slash at its end, a query or a fragment.
fn url(text: &str) -> Result<String, String> {
    let address = text.trim_end_matches('/');
    let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    let rest = rest.ok_or_else(|| "it begins with neither `http://` nor `https://`".to_owned())?;
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '\\' | '"');
    match (host.is_empty() && !rest.starts_with('['), rest.chars().find(|c| odd(*c))) {
        (true, _) => Err("it names no host".to_owned()),
        (_, Some(character)) => Err(format!("it has {character:?}, which has no place there")),
        _ => Ok(address.to_owned()),
    }
}

fn folder(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).metadata() {
        Ok(found) if found.is_dir() => Ok(PathBuf::from(text)),
        Ok(_) => Err("this is not a folder".to_owned()),
        Err(error) => Err(absent(&error)),
    }
}

fn program(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).metadata() {
        Ok(found) if found.is_file() => Ok(PathBuf::from(text)),
        Ok(_) => Err("this is not a program".to_owned()),
        Err(error) => Err(absent(&error)),
    }
}

/// Whether the machine knows the user is found out when it is needed: it may be made while the daemon runs.
fn account(text: &str) -> Result<String, String> {
    let is_name = is_account_name(text);
    is_name.then(|| text.to_owned()).ok_or_else(|| "this cannot be the name of an account".to_owned())
}

fn write_path(path: Option<&Path>) -> Value {
    path.map(|path| path.to_string_lossy().into_owned()).into()
}

fn absent(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "nothing is there".to_owned(),
        _ => format!("it cannot be looked at: {error}"),
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_kept_is_kept_within_a_range() {
        assert_eq!((kept("1"), kept("1000")), (Ok(1), Ok(1000)));
        assert_eq!(retention("14 days"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(retention("36500 days"), Ok(LONGEST));
        assert_eq!((INTERVAL.read)("300"), Ok(Duration::from_secs(300)));
        for (why, refused) in [("0 is too little", "0"), ("more than 1000", "1001"), ("not a number", "-1")] {
            assert!(kept(refused).unwrap_err().contains(why), "{refused}");
        }
        for (why, refused) in [("no unit", "30"), ("more than 36500 days", "36501 days"), ("0 is", "0 days")]
        {
            assert!(retention(refused).unwrap_err().contains(why), "{refused}");
        }
        assert!((INTERVAL.read)("25 hours").unwrap_err().contains("more than 1 day"));
    }

    #[test]
    fn a_zone_and_an_address_are_checked() {
        assert_eq!(optional("", zone), Ok(None));
        assert_eq!(zone("Europe/Berlin").as_deref(), Ok("Europe/Berlin"));
        assert!(zone("Mars/X").is_err());
        for (text, read) in [
            ("https://box.lan", "https://box.lan"),
            ("http://10.0.0.1:8420/", "http://10.0.0.1:8420"),
            ("http://[::1]:8420", "http://[::1]:8420"),
            ("https://box.lan/mantyx/", "https://box.lan/mantyx"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(read));
        }
        for wrong in [
            "blah",
            "ftp://box",
            "http://",
            "http:///x",
            "http://:80",
            "http://a b",
            "http://a/?x",
            "http://u@a",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_leads_to_what_it_should() {
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (here, file) = (here.path().to_str().unwrap(), file.to_str().unwrap());
        assert_eq!((folder(here), program(file)), (Ok(here.into()), Ok(file.into())));
        assert!(folder(file).is_err() && program(here).is_err());
        assert_eq!(folder("/nonexist"), Err("nothing is there".to_owned()));
    }

    #[test]
    fn lists_drop_what_is_empty() {
        assert_eq!(list(" a, b,,"), ["a", "b"]);
        assert!(list("").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_fall_over(text in ".{0,30}") {
            let _ = (retention(&text), kept(&text), list(&text), at_least_one::<u16>(&text));
            let _ = (url(&text), zone(&text));
        }
    }
}
