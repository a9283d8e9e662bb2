//! What of a configuration is wrong although each field has the right type.

use std::ops::RangeInclusive;

use super::Configuration;
use crate::error::{Error, FieldError, Result};
use crate::limits::is_account_name;
use crate::web_port::WebPort;

const DAY: u32 = 24 * 60 * 60;
const MONTH: u32 = 30 * DAY;

impl Configuration {
    /// What types alone cannot say.
    pub fn check(&self) -> Result<()> {
        let mut errors = self.health.check(self.web_port.is_some());
        errors.extend(self.limits.check());
        errors.extend(self.numbers());
        errors.extend(self.env.keys().filter_map(|name| refusal_of_variable(name)));
        errors.extend(self.texts());
        errors.extend(self.accounts());
        if let Some(WebPort::Fixed(port)) = self.web_port
            && port < 1024
        {
            let detail = "A port goes from 1024 to 65535; say `auto` and Mantyx chooses one";
            errors.push(wrong("web_port", detail));
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::fields(errors)) }
    }

    /// How often, and how many seconds: what goes further helps nobody, and is a slip of the hand.
    fn numbers(&self) -> impl Iterator<Item = FieldError> {
        let bounds: [(&str, Option<u32>, RangeInclusive<u32>); 6] = [
            ("restart_delay", Some(self.restart_delay), 0..=DAY),
            ("restart_limit", Some(self.restart_limit), 0..=10_000),
            ("restart_window", Some(self.restart_window), 1..=MONTH),
            ("stop_grace", Some(self.stop_grace), 0..=3600),
            ("watchdog", self.watchdog, 1..=MONTH),
            ("timeout", self.timeout, 1..=MONTH),
        ];
        bounds.into_iter().filter(|(_, number, bounds)| number.is_some_and(|n| !bounds.contains(&n))).map(
            |(field, _, bounds)| wrong(field, format!("It goes from {} to {}", bounds.start(), bounds.end())),
        )
    }

    /// No process can be given a NUL character (execve(2)).
    fn texts(&self) -> impl Iterator<Item = FieldError> {
        let env = self.env.values().any(|text| text.contains('\0')).then_some("env");
        let arguments = self.arguments.iter().any(|text| text.contains('\0')).then_some("arguments");
        env.into_iter().chain(arguments).map(|field| wrong(field, "A value cannot have a NUL character"))
    }

    fn accounts(&self) -> impl Iterator<Item = FieldError> {
        let user = self.user.iter().map(|name| ("user", name));
        let named = user.chain(self.groups.iter().map(|name| ("groups", name)));
        named
            .filter(|(_, name)| !is_account_name(name))
            .map(|(field, name)| wrong(field, format!("`{name}` cannot be the name of an account")))
    }
}

fn wrong(field: &str, detail: impl Into<String>) -> FieldError {
    FieldError { field: field.to_owned(), detail: detail.into() }
}

/// Variables that a person cannot set, because apps rely on what Mantyx says there.
const RESERVED: [&str; 9] = [
    "APP_NAME",
    "APP_DATA_DIR",
    "APP_RELEASE",
    "PORT",
    "VIRTUAL_ENV",
    "HOME",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

fn refusal_of_variable(name: &str) -> Option<FieldError> {
    let detail = if !is_variable(name) {
        format!("`{name}` is not a name for a variable: letters, digits and `_`, no digit first")
    } else if RESERVED.contains(&name) || name.starts_with("MANTYX_") {
        format!("`{name}` is set by Mantyx itself")
    } else {
        return None;
    };
    Some(wrong("env", detail))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
