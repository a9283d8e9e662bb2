//! When an app runs: a cron line or a distance, judged by the daemon while it is typed.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::SchedulePreview;
use mantyx_api_types::core::{FieldError, ScheduleSpec};

use super::{FormModel, group};
use crate::api::Failure;
use crate::components::{
    Choice, InputStyle, IntoViews, Segmented, SelectField, TextField, dynamic, segmented, select_field,
    skeleton, text_field,
};
use crate::state::form::{Form, TimingChoice, Unit, errors_at};
use crate::state::{Clock, clock, memo};

/// How long nobody types before a schedule is asked about.
const REST: Duration = Duration::from_millis(250);

/// The group of fields that say when an app runs.
pub(super) fn schedule(model: FormModel) -> impl IntoView {
    let timing = model.part(|form| form.timing);
    let kind = segmented(Segmented {
        name: "timing",
        label: "When",
        help: "",
        choices: vec![
            Choice { value: TimingChoice::Cron, title: "At certain times", id: "timing-cron" },
            Choice { value: TimingChoice::Interval, title: "Every so often", id: "timing-interval" },
        ],
        value: timing,
        change: model.change(|form, timing| form.timing = timing),
    });
    let fields = move || match timing.get() {
        TimingChoice::Cron => cron(model).into_any(),
        TimingChoice::Interval => interval(model).into_any(),
    };
    group(
        "When it runs",
        "You can also run it by hand at any time.",
        view! { {others(model)} {kind} {dynamic(fields)} {preview(model)} },
    )
}

/// One schedule can be changed here; the others are said, so that nobody takes it for all.
fn others(model: FormModel) -> impl IntoView {
    let others = model.others.get_value();
    let words = others.iter().map(|words| view! { <li>{words.clone()}</li> }).into_views();
    (!others.is_empty()).then(|| {
        view! {
            <div class="other-schedules" data-testid="other-schedules">
                <p>"It has more than one schedule. Only the first can be edited here; these stay as they are:"</p>
                <ul class="muted">{words}</ul>
            </div>
        }
    })
}

/// The fields of a cron line in what the daemon says is wrong.
const CRON: &[&str] = &["expression", "timing"];

/// The same of an interval, which has no field for its time zone.
const INTERVAL: &[&str] = &["seconds", "timing", "timezone"];

fn cron(model: FormModel) -> impl IntoView {
    let line = text_field(TextField {
        id: "cron",
        label: "Cron line",
        help: "Minute, hour, day of the month, month, day of the week: `30 7 * * 1-5` is 07:30 on weekdays. Or `@daily`, `@hourly`.",
        style: InputStyle::Machine,
        list: None,
        value: model.part(|form| form.cron.clone()),
        change: model.edit(CRON, |form, cron| form.cron = cron),
        error: model.error(CRON),
    });
    let zones =
        clock::timezones().into_iter().map(|name| view! { <option value=name></option> }).into_views();
    let zone = text_field(TextField {
        id: "timezone",
        label: "Time zone",
        help: "The clock that the line is read by.",
        style: InputStyle::Machine,
        list: Some("timezones"),
        value: model.part(|form| form.timezone.clone()),
        change: model.edit(&["timezone"], |form, zone| form.timezone = zone),
        error: model.error(&["timezone"]),
    });
    view! { <div class="pair">{line} {zone}</div> <datalist id="timezones">{zones}</datalist> }
}

fn interval(model: FormModel) -> impl IntoView {
    let every = text_field(TextField {
        id: "every",
        label: "Every",
        help: "A whole number, at least 1.",
        style: InputStyle::Number,
        list: None,
        value: model.part(|form| form.every.clone()),
        change: model.edit(INTERVAL, |form, every| form.every = every),
        error: model.error(INTERVAL),
    });
    let key = |unit: Unit| unit.seconds().to_string();
    let units = [(Unit::Seconds, "seconds"), (Unit::Minutes, "minutes"), (Unit::Hours, "hours")];
    let unit = select_field(SelectField {
        id: "every-unit",
        label: "Unit",
        help: "",
        options: units.map(|(unit, title)| (key(unit), title.to_owned())).into(),
        value: model.part(|form| form.unit.seconds().to_string()),
        change: Callback::new(move |chosen: String| {
            let unit =
                [Unit::Seconds, Unit::Minutes, Unit::Hours].into_iter().find(|unit| key(*unit) == chosen);
            model.form.update(|form| form.unit = unit.unwrap_or_default());
        }),
    });
    view! { <div class="pair">{every} {unit}</div> }
}

/// What the daemon says about the schedule while it is typed: words and the next runs, or what is wrong with it.
fn preview(model: FormModel) -> impl IntoView {
    let answer = RwSignal::new(None::<SchedulePreview>);
    let spec = memo(move || model.form.with(Form::schedule));
    let asked = StoredValue::new(0u32);
    model.state.keep_loaded(move || {
        let number = asked.get_value() + 1;
        asked.set_value(number);
        match spec.get() {
            Err(error) => {
                answer.set(None);
                replace_errors(model, vec![error]);
            }
            Ok(spec) => set_timeout(
                move || {
                    // Only the last one that was typed, and only while the form is there.
                    if asked.try_get_value() == Some(number) {
                        ask_preview(model, spec, answer);
                    }
                },
                REST,
            ),
        }
    });
    dynamic(move || match answer.get() {
        None if model.errors.read().is_empty() => skeleton(3).into_any(),
        None => ().into_any(),
        Some(preview) => preview_view(model.state.clock, &preview).into_any(),
    })
}

fn ask_preview(model: FormModel, spec: ScheduleSpec, answer: RwSignal<Option<SchedulePreview>>) {
    spawn_local(async move {
        match model.state.client.preview_schedule(&spec).await {
            Ok(preview) => {
                replace_errors(model, Vec::new());
                answer.try_set(Some(preview));
            }
            Err(failure) => {
                answer.try_set(None);
                replace_errors(model, schedule_errors(&failure));
            }
        }
    });
}

/// A refusal of a schedule is about its timing, unless it names a field: then it stands there.
pub(crate) fn schedule_errors(failure: &Failure) -> Vec<FieldError> {
    let errors = failure.fields();
    if errors.is_empty() {
        return vec![FieldError { field: "timing".to_owned(), detail: failure.detail() }];
    }
    errors.into_iter().map(|error| FieldError { field: place(&error.field).to_owned(), ..error }).collect()
}

/// The field of the form for a path such as `spec.timing.expression`.
fn place(path: &str) -> &'static str {
    path.split('.').rev().find_map(|part| TIMING.iter().find(|name| **name == part)).unwrap_or(&"timing")
}

/// What errors about a schedule are about.
const TIMING: &[&str] = &["timezone", "expression", "seconds", "timing"];

/// The errors about the schedule become these; those about other fields stay.
fn replace_errors(model: FormModel, fresh: Vec<FieldError>) {
    model.errors.try_update(|errors| {
        errors.retain(|error| errors_at(std::slice::from_ref(error), TIMING).is_none());
        errors.extend(fresh);
    });
}

fn preview_view(clock: Clock, preview: &SchedulePreview) -> impl IntoView + use<> {
    let runs = preview.next.iter().map(|at| {
        let at = *at;
        view! {
            <li>
                <span>{clock::appointment(at)}</span>
                <span class="muted">{dynamic(move || clock.until(at))}</span>
            </li>
        }
    });
    view! {
        <div class="preview" role="status" data-testid="schedule-preview">
            <p class="preview-words">{preview.words.clone()}</p>
            <ol class="preview-runs">{runs.into_views()}</ol>
            <p class="muted">{format!("In your time zone, {}.", clock::timezone())}</p>
        </div>
    }
}
