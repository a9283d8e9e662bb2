//! Values of the command line: choices between the words of the domain, and texts that are read.

use clap::ValueEnum;
use mantyx_core::{AppType, CatchUp, Overlap, RestartPolicy, Scope, SecretKind, TrackingMode};

/// Makes the words of a domain type choices of the command line.
macro_rules! choices {
    ($($name:ident is $type:ty { $($(#[$attribute:meta])* $variant:ident = $value:expr,)* })*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub(crate) enum $name { $($(#[$attribute])* $variant,)* }

        impl From<$name> for $type {
            fn from(choice: $name) -> Self {
                match choice { $($name::$variant => $value,)* }
            }
        }
    )*};
}

choices! {
    TypeChoice is AppType {
        /// Runs by schedules and on demand
        Scheduled = AppType::Scheduled,
        /// Is kept running
        Perpetual = AppType::Perpetual,
    }
    PolicyChoice is RestartPolicy {
        /// Every exit
        Always = RestartPolicy::Always,
        /// Every exit but 0
        OnFailure = RestartPolicy::OnFailure,
        /// None
        Never = RestartPolicy::Never,
    }
    CatchUpChoice is CatchUp {
        /// They are recorded as skipped
        None = CatchUp::None,
        /// One run stands for them all
        One = CatchUp::One,
    }
    OverlapChoice is Overlap {
        /// It is recorded as skipped
        Skip = Overlap::Skip,
        /// It runs beside the other
        Parallel = Overlap::Parallel,
    }
    ScopeChoice is Scope {
        /// See everything but secrets
        Read = Scope::Read,
        /// Change apps
        Operate = Scope::Operate,
        /// Change Mantyx
        Admin = Scope::Admin,
    }
    SecretChoice is SecretKind {
        /// A token or a password, for repositories over HTTPS
        Token = SecretKind::Token,
        /// A private key, for repositories over SSH
        #[value(alias = "ssh_key")]
        SshKey = SecretKind::SshKey,
        /// Any other text
        Text = SecretKind::Text,
    }
    ModeChoice is TrackingMode {
        /// Nothing: it is looked only when somebody asks
        Off = TrackingMode::Off,
        /// It is said, once for each
        Notify = TrackingMode::Notify,
        /// It is taken into use
        Apply = TrackingMode::Apply,
    }
    StreamChoice is &'static str {
        /// Standard output
        Stdout = "stdout",
        /// Standard error
        Stderr = "stderr",
    }
}

pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

pub(crate) fn web_port(text: &str) -> Result<serde_json::Value, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port.into()),
        _ if text == "auto" => Ok("auto".into()),
        _ => Err("give a port from 1 to 65535, or `auto`".to_owned()),
    }
}

/// Seconds, or a whole number with one of the units s, min, h and d.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => return Err(format!("`{other}` is no unit: there are s, min, h and d")),
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.filter(|seconds| *seconds > 0).ok_or_else(|| "give a time such as 90, 15min or 2h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(
            (seconds("90"), seconds("15min"), seconds("2 h"), seconds("30d")),
            (Ok(90), Ok(900), Ok(7200), Ok(2_592_000))
        );
        for wrong in ["", "0", "h", "5y", "99999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
