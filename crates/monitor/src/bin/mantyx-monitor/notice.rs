//! What an app may say of itself: the lines of a datagram as sd_notify(3) describes them.

use std::time::Duration;

use mantyx_monitor::Phase;

/// More of a status than this nobody reads, and every client is told it.
const LONGEST_STATUS: usize = 200;

/// One thing that an app has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// `READY=1`, `RELOADING=1`, `STOPPING=1`.
    Phase(Phase),
    /// `STATUS=`; an empty one takes the last one back.
    Status(Option<String>),
    /// `WATCHDOG=1`.
    Alive,
    /// `WATCHDOG=trigger`: it has found itself broken.
    Broken,
    /// `WATCHDOG_USEC=`: from now on it says so this often; none at all for 0.
    Interval(Option<Duration>),
}

/// What one datagram says. Whatever is not known, such as `ERRNO=`, `MAINPID=` and `FDSTORE=1`, says nothing.
pub(crate) fn parse(datagram: &[u8]) -> impl Iterator<Item = Notice> {
    datagram.split(|byte| *byte == b'\n').filter_map(|line| notice(std::str::from_utf8(line).ok()?))
}

fn notice(line: &str) -> Option<Notice> {
    let (key, value) = line.split_once('=')?;
    match (key, value) {
        ("READY", "1") => Some(Notice::Phase(Phase::Ready)),
        ("RELOADING", "1") => Some(Notice::Phase(Phase::Reloading)),
        ("STOPPING", "1") => Some(Notice::Phase(Phase::Stopping)),
        ("STATUS", text) => Some(Notice::Status(status(text))),
        ("WATCHDOG", "1") => Some(Notice::Alive),
        ("WATCHDOG", "trigger") => Some(Notice::Broken),
        ("WATCHDOG_USEC", number) => number.parse().ok().map(|number| Notice::Interval(interval(number))),
        _ => None,
    }
}

/// The line ends where the notice does, so all that is left to do is to keep it harmless and short.
fn status(text: &str) -> Option<String> {
    let printable: String = text.chars().filter(|c| !c.is_control()).collect();
    let short: String = printable.trim().chars().take(LONGEST_STATUS).collect();
    (!short.is_empty()).then_some(short)
}

fn interval(microseconds: u64) -> Option<Duration> {
    (microseconds > 0).then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(datagram: &[u8]) -> Vec<Notice> {
        parse(datagram).collect()
    }

    #[test]
    fn a_datagram_may_say_several_things() {
        let said = heard(b"READY=1\nSTATUS=Serving 3 people\nMAINPID=4711\nWATCHDOG=1\n");
        let status = Notice::Status(Some("Serving 3 people".into()));
        assert_eq!(said, [Notice::Phase(Phase::Ready), status, Notice::Alive]);
        assert_eq!(heard(b"RELOADING=1\nMONOTONIC_USEC=5"), [Notice::Phase(Phase::Reloading)]);
        assert_eq!(heard(b"STOPPING=1"), [Notice::Phase(Phase::Stopping)]);
    }

    #[test]
    fn a_watchdog_has_its_own_words() {
        assert_eq!(heard(b"WATCHDOG=trigger"), [Notice::Broken]);
        assert_eq!(heard(b"WATCHDOG_USEC=1500000"), [Notice::Interval(Some(Duration::from_millis(1500)))]);
        assert_eq!(heard(b"WATCHDOG_USEC=0"), [Notice::Interval(None)]);
        assert_eq!(heard(b"WATCHDOG_USEC=-3\nWATCHDOG_USEC=soon\nWATCHDOG=2"), []);
    }

    #[test]
    fn a_status_is_one_short_line_of_text() {
        let long = format!("STATUS=  {}  ", "é".repeat(500));
        assert_eq!(heard(long.as_bytes()), [Notice::Status(Some("é".repeat(200)))]);
        assert_eq!(heard(b"STATUS=\x1b[31mred\x07"), [Notice::Status(Some("[31mred".into()))]);
        assert_eq!(heard(b"STATUS= "), [Notice::Status(None)]);
        assert_eq!(heard(b"STATUS=\xff\xfe\nREADY=1"), [Notice::Phase(Phase::Ready)]);
    }

    proptest! {
        #[test]
        fn no_datagram_is_too_strange(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
            for notice in parse(&[b"STATUS=", datagram.as_slice()].concat()) {
                if let Notice::Status(Some(text)) = notice {
                    prop_assert!(text.chars().count() <= LONGEST_STATUS);
                    prop_assert!(!text.chars().any(char::is_control));
                }
            }
        }
    }

    #[test]
    fn noise_says_nothing() {
        assert_eq!(heard(b""), []);
        assert_eq!(heard(b"READY\nREADY=0\nready=1\n=\n\0\0"), []);
    }
}
