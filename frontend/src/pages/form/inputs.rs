//! What each field of the table is called and what it is for.

use leptos::prelude::*;

use super::FormModel;
use crate::components::{InputStyle, TextField, text_field};
use crate::state::derived;
use crate::state::fields::{Field, error_at};

/// The line of text of a field, with the error that is about exactly it.
pub(super) fn input(model: FormModel, field: Field) -> AnyView {
    let (id, label, help) = words(field);
    let style = match field {
        Field::ProbeBody => InputStyle::Plain,
        Field::ProbeUrl | Field::ProbeCommand | Field::User | Field::Groups => InputStyle::Machine,
        // A limit may be a word as well, and a telephone shows only digits for a number.
        Field::Processes => InputStyle::Machine,
        _ => InputStyle::Number,
    };
    let change = move |text| {
        model.forgive_path(field.path());
        model.form.update(|form| form.set_text(field, text));
    };
    text_field(TextField {
        id,
        label,
        help,
        style,
        list: None,
        value: derived(move || model.form.with(|form| form.text(field).to_owned())),
        change: Callback::new(change),
        error: derived(move || model.errors.with(|errors| error_at(errors, field.path()))),
    })
}

const fn words(field: Field) -> (&'static str, &'static str, &'static str) {
    match field {
        Field::RestartDelay => (
            "restart-delay",
            "First wait, in seconds",
            "Before the second restart; doubles from there up to 300.",
        ),
        Field::RestartLimit => ("restart-limit", "Restarts", "How many the window allows."),
        Field::RestartWindow => {
            ("restart-window", "Window, in seconds", "Who runs that long is taken for well again.")
        }
        Field::StopGrace => {
            ("stop-grace", "Grace, in seconds", "Between the signal and the end of everything.")
        }
        Field::Watchdog => (
            "watchdog",
            "Watchdog, in seconds",
            "It has to say `WATCHDOG=1` by sd_notify at least that often. Empty: it need not.",
        ),
        Field::Timeout => (
            "timeout",
            "A run may take, in seconds",
            "One that takes longer is stopped. Empty: as long as it likes.",
        ),
        Field::HealthInterval => ("health-interval", "Look every, in seconds", "1 to 86400."),
        Field::HealthTimeout => {
            ("health-timeout", "Wait for an answer, in seconds", "After that the look has failed.")
        }
        Field::StartPeriod => (
            "start-period",
            "Start period, in seconds",
            "How long it may take to be ready; failures do not count before.",
        ),
        Field::Failures => ("health-failures", "Failures in a row", "So many make it unhealthy."),
        Field::Successes => ("health-successes", "Successes in a row", "So many make it healthy again."),
        Field::ProbeUrl => {
            ("probe-url", "Address", "A path on its own web port, such as `/health`, or a whole address.")
        }
        Field::ProbeStatus => {
            ("probe-status", "Status", "The one that is expected. Empty: any from 200 to 399.")
        }
        Field::ProbeBody => ("probe-body", "Text in the answer", "Empty: any answer will do."),
        Field::ProbePort => ("probe-port", "Port", "On this machine. Empty: its own web port."),
        Field::ProbeCommand => {
            ("probe-command", "Command line", "Run in its environment and folder; 0 means well.")
        }
        _ => words_of_limits(field),
    }
}

const fn words_of_limits(field: Field) -> (&'static str, &'static str, &'static str) {
    match field {
        Field::Memory => {
            ("limit-memory", "Memory", "Whoever wants more is ended by the kernel. At least 16 MiB.")
        }
        Field::Cpu => ("limit-cpu", "Cores", "Such as 0.5 or 2; it is slowed down, not stopped."),
        Field::Processes => (
            "limit-processes",
            "Processes",
            "With threads. Empty: 4096, so that a fork bomb ends. `unlimited`: no limit.",
        ),
        Field::OpenFiles => ("limit-open-files", "Open files", "Of one process; at least 16."),
        Field::Nice => ("limit-nice", "Niceness", "-20 to 19: the higher, the more it gives way."),
        Field::OomScore => (
            "limit-oom-score",
            "OOM score",
            "-1000 to 1000: the higher, the sooner it is ended when the machine has no memory left.",
        ),
        Field::User => ("account-user", "User", "Empty: what the settings of Mantyx say."),
        _ => ("account-groups", "Further groups", "With commas, such as `video, dialout`."),
    }
}
