//! How each kind of value is read from text. A reader also says, for people, what it takes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use chrono_tz::Tz;
use mantyx_core::is_account_name;

/// Reads one kind of value.
pub(crate) struct Reader<T> {
    /// What it takes, to be read behind "it takes".
    pub(crate) form: &'static str,
    /// The value, or why the text is none.
    pub(crate) read: fn(&str) -> Result<T, String>,
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

pub(crate) const ADDRESS: Reader<SocketAddr> = Reader {
    form: "an IP address and a port: `127.0.0.1:8420`, `[::1]:8420`",
    read: |text| text.parse().map_err(|_| "this is not an address with a port".to_owned()),
};
pub(crate) const BYTES: Reader<u64> =
    Reader { form: "bytes, or a size with its unit: `100 MiB`", read: bytes };
pub(crate) const COUNT: Reader<u64> = Reader { form: "a number from 1", read: at_least_one };
pub(crate) const PORT: Reader<u16> = Reader { form: "a port from 1 to 65535", read: at_least_one };
pub(crate) const DURATION: Reader<Duration> =
    Reader { form: "seconds, or a time with its unit: `15 min`", read: duration };
pub(crate) const LIST: Reader<Vec<String>> =
    Reader { form: "a list; with commas in between in a variable", read: |text| Ok(list(text)) };
pub(crate) const OPTIONAL_ZONE: Reader<Option<String>> =
    Reader { form: "the IANA name of a time zone: `Europe/Berlin`", read: |text| optional(text, zone) };
pub(crate) const OPTIONAL_URL: Reader<Option<String>> =
    Reader { form: "a web address: `https://mantyx.example.org`", read: |text| optional(text, url) };
pub(crate) const OPTIONAL_FOLDER: Reader<Option<PathBuf>> =
    Reader { form: "the path of a folder", read: |text| optional(text, folder) };
pub(crate) const OPTIONAL_ACCOUNT: Reader<Option<String>> =
    Reader { form: "the name of a user of this machine", read: |text| optional(text, account) };
pub(crate) const OPTIONAL_PROGRAM: Reader<Option<PathBuf>> =
    Reader { form: "the path of a program", read: |text| optional(text, program) };
pub(crate) const LOG_FORMAT: Reader<LogFormat> = Reader {
    form: "`text` or `json`",
    read: |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("there is no such format".to_owned()),
    },
};
pub(crate) const ON_SHUTDOWN: Reader<OnShutdown> = Reader {
    form: "`true` or `false`",
    read: |text| match text {
        "true" => Ok(OnShutdown::StopApps),
        "false" => Ok(OnShutdown::LeaveApps),
        _ => Err("this is neither".to_owned()),
    },
};
pub(crate) const LOG_LEVEL: Reader<LogLevel> = Reader {
    form: "`error`, `warn`, `info`, `debug` or `trace`",
    read: |text| {
        const ALL: [LogLevel; 5] =
            [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
        let level = ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| "there is no such level".to_owned())
    },
};

/// Units of sizes: those of IEC 80000-13 by 1024, those of SI by 1000.
const SIZES: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];

/// Units of time, in seconds.
const TIMES: &[(&str, u64)] = &[
    ("", 1),
    ("s", 1),
    ("sec", 1),
    ("m", 60),
    ("min", 60),
    ("h", 3600),
    ("hour", 3600),
    ("hours", 3600),
    ("d", 86_400),
    ("day", 86_400),
    ("days", 86_400),
];

fn bytes(text: &str) -> Result<u64, String> {
    in_units(text, SIZES)
}

fn duration(text: &str) -> Result<Duration, String> {
    in_units(text, TIMES).map(Duration::from_secs)
}

/// A whole number from 1 with an optional unit behind it.
fn in_units(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = at_least_one(number)?;
    let unit = unit.trim().to_lowercase();
    let (_, factor) =
        units.iter().find(|(name, _)| *name == unit).ok_or_else(|| format!("`{unit}` is not a unit here"))?;
    number.checked_mul(*factor).ok_or_else(|| "this is too much".to_owned())
}

fn at_least_one<T: FromStr + Default + PartialEq>(text: &str) -> Result<T, String> {
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
    fn sizes_and_times_take_units() {
        assert_eq!(bytes("100 MiB"), Ok(100 << 20));
        assert_eq!(bytes("100MB"), Ok(100_000_000));
        assert_eq!(bytes(" 17 "), Ok(17));
        assert_eq!(duration("15 min"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "MiB", "-1", "1.5 GiB", "0", "99999999999 TiB", "3 min"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
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
            let _ = (bytes(&text), duration(&text), list(&text), at_least_one::<u16>(&text), url(&text), zone(&text));
        }

        #[test]
        fn plain_numbers_are_bytes(number in 1_u64..) {
            prop_assert_eq!(bytes(&number.to_string()), Ok(number));
        }
    }
}
