//! How it is told whether an app is well: what is looked at, how often, and when that counts.

use leptos::prelude::*;
use mantyx_api_types::core::Readiness;

use super::FormModel;
use super::fold::{Fold, fold, row};
use crate::components::{Choice, Segmented, dynamic, segmented};
use crate::state::fields::Field;
use crate::state::form::{Form, ProbeChoice};

/// The section about health.
pub(super) fn health(model: FormModel) -> AnyView {
    let (kind, readiness) = (kind(model), readiness(model));
    let probe = model.part(|form| form.probe);
    let spec = Fold {
        id: "fold-health",
        title: "Health",
        words: "Whether it does its work, not only whether it is alive. One that is unhealthy is shown as such, and started again by the rule above.",
        fields: HEALTH,
        whole: "health",
        summary: health_summary,
    };
    let content = view! { {kind} {dynamic(move || probe_fields(model, probe.get()))} {readiness} {row(model, &[Field::Watchdog])} };
    fold(model, spec, content)
}

fn kind(model: FormModel) -> AnyView {
    let choice = |value, title, id| Choice { value, title, id };
    segmented(Segmented {
        name: "probe",
        label: "What is looked at",
        help: "",
        choices: vec![
            choice(ProbeChoice::None, "Nothing", "probe-none"),
            choice(ProbeChoice::Http, "An HTTP answer", "probe-http"),
            choice(ProbeChoice::Tcp, "A connection", "probe-tcp"),
            choice(ProbeChoice::Exec, "A command", "probe-exec"),
        ],
        value: model.part(|form| form.probe),
        change: model.change(|form, probe| form.probe = probe),
    })
}

fn readiness(model: FormModel) -> AnyView {
    let choice = |value, title, id| Choice { value, title, id };
    segmented(Segmented {
        name: "readiness",
        label: "It counts as ready",
        help: "By its word means `READY=1` by sd_notify: then nothing else makes it ready.",
        choices: vec![
            choice(Readiness::Observed, "When it is seen to be", "readiness-observed"),
            choice(Readiness::Notified, "By its word", "readiness-notified"),
        ],
        value: model.part(|form| form.readiness),
        change: model.change(|form, readiness| form.readiness = readiness),
    })
}

const HEALTH: &[Field] = &[
    Field::ProbeUrl,
    Field::ProbeStatus,
    Field::ProbeBody,
    Field::ProbePort,
    Field::ProbeCommand,
    Field::HealthInterval,
    Field::HealthTimeout,
    Field::StartPeriod,
    Field::Failures,
    Field::Successes,
    Field::Watchdog,
];

fn probe_fields(model: FormModel, probe: ProbeChoice) -> AnyView {
    let own = match probe {
        ProbeChoice::None => return row(model, &[Field::StartPeriod]),
        ProbeChoice::Http => {
            view! { {row(model, &[Field::ProbeUrl])} {row(model, &[Field::ProbeStatus, Field::ProbeBody])} }
                .into_any()
        }
        ProbeChoice::Tcp => row(model, &[Field::ProbePort]),
        ProbeChoice::Exec => row(model, &[Field::ProbeCommand]),
    };
    view! {
        {own}
        {row(model, &[Field::HealthInterval, Field::HealthTimeout, Field::StartPeriod])}
        {row(model, &[Field::Failures, Field::Successes])}
    }
    .into_any()
}

fn health_summary(form: &Form) -> String {
    let what = match form.probe {
        ProbeChoice::None if form.readiness == Readiness::Notified => {
            return "ready by its own word".to_owned();
        }
        ProbeChoice::None => return "nothing is looked at".to_owned(),
        ProbeChoice::Http => format!("GET {}", form.text(Field::ProbeUrl)),
        ProbeChoice::Tcp if form.text(Field::ProbePort).is_empty() => {
            "a connection to its web port".to_owned()
        }
        ProbeChoice::Tcp => format!("a connection to port {}", form.text(Field::ProbePort)),
        ProbeChoice::Exec => form.text(Field::ProbeCommand).to_owned(),
    };
    format!("{what} every {} s", form.text(Field::HealthInterval))
}
