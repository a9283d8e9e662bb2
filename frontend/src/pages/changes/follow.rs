//! The question how a repository is followed: what happens when it moves on, when somebody looks, and which branch.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::{CatchUp, Overlap, ScheduleSpec, Timing, TrackingMode};
use mantyx_api_types::{AppView, SchedulePreview, TrackingRequest, TrackingView};

use crate::api::Answer;
use crate::components::{
    AnswerButton, Choice, InputStyle, Question, Segmented, TextField, dynamic, question, segmented,
    text_field,
};
use crate::pages::newer::Tracked;
use crate::state::form::errors_at;
use crate::state::{State, clock, derived};
use crate::text::git;

/// How long nobody types before a schedule is asked about.
const REST: Duration = Duration::from_millis(250);

/// When somebody looks where nobody said anything yet.
const USUAL: &str = "0 4 * * *";

/// The question.
#[derive(Clone, Copy)]
pub(super) struct Follow {
    state: State,
    app: Signal<AppView>,
    tracked: Tracked,
    asked: Question,
    mode: RwSignal<TrackingMode>,
    schedule: RwSignal<String>,
    reference: RwSignal<String>,
    timezone: RwSignal<String>,
    /// What the daemon says about the schedule that stands there.
    preview: RwSignal<Option<Answer<SchedulePreview>>>,
}

impl Follow {
    /// One that is not asked yet.
    pub(super) fn new(state: State, app: Signal<AppView>, tracked: Tracked) -> Self {
        let text = || RwSignal::new(String::new());
        let (schedule, reference, timezone) = (text(), text(), text());
        let (mode, preview) = (RwSignal::new(TrackingMode::Off), RwSignal::new(None));
        Self { state, app, tracked, asked: Question::new(), mode, schedule, reference, timezone, preview }
    }

    /// Asks it, beginning with how it is.
    pub(super) fn ask(self, view: &TrackingView) {
        let never = view.set_at.is_none();
        self.timezone.set(view.timezone.clone());
        self.mode.set(if never { TrackingMode::Notify } else { view.mode });
        let line = view.schedule.clone().unwrap_or_default();
        self.schedule.set(if never { USUAL.to_owned() } else { line });
        self.reference.set(view.r#override.clone().unwrap_or_default());
        self.asked.ask();
    }

    fn submit(self) {
        let (state, name) = (self.state, self.app.with_untracked(|app| app.name.to_string()));
        let given =
            |text: RwSignal<String>| Some(text.get_untracked().trim().to_owned()).filter(|t| !t.is_empty());
        let request = TrackingRequest {
            mode: self.mode.get_untracked(),
            schedule: given(self.schedule),
            reference: given(self.reference),
        };
        let answer = async move { state.client.track(&name, &request).await };
        self.asked.send(answer, move |view| {
            self.tracked.try_set(Some(Ok(view)));
        });
    }

    /// Asks the daemon what a schedule means, once nobody types any more.
    fn keep_preview(self) {
        self.state.keep_loaded(move || {
            let line = self.schedule.read().trim().to_owned();
            if line.is_empty() {
                self.preview.set(None);
                return;
            }
            set_timeout(move || self.ask_preview(line), REST);
        });
    }

    fn ask_preview(self, line: String) {
        let still =
            move |line: &str| self.schedule.try_with_untracked(|now| now.trim() == line) == Some(true);
        if !still(&line) {
            return;
        }
        let spec = ScheduleSpec {
            timing: Timing::Cron { expression: line.clone() },
            timezone: self.timezone.get_untracked(),
            catch_up: CatchUp::default(),
            overlap: Overlap::default(),
        };
        spawn_local(async move {
            let answer = self.state.client.preview_schedule(&spec).await;
            if still(&line) {
                self.preview.set(Some(answer));
            }
        });
    }

    fn error(self, names: &'static [&'static str]) -> Option<String> {
        self.asked.failure().read().as_ref().and_then(|failure| errors_at(&failure.fields(), names))
    }
}

/// Its dialog.
pub(super) fn follow(model: Follow) -> AnyView {
    model.keep_preview();
    let answer = AnswerButton {
        id: "tracking-submit",
        title: "Save",
        class: "button primary",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.submit()),
    };
    let content = view! {
        <div class="stack-tight wide">
            {modes(model)}
            <p class="muted small">{dynamic(move || git::mode_words(model.mode.get()))}</p>
            {dynamic(move || (model.mode.get() != TrackingMode::Off).then(|| fields(model)))}
        </div>
    };
    question(model.asked, "Follow the repository", content, answer)
}

fn modes(model: Follow) -> AnyView {
    let choice = |value, id| Choice { value, title: git::mode(value), id };
    segmented(Segmented {
        name: "tracking-mode",
        label: "When it moves on",
        help: "",
        choices: vec![
            choice(TrackingMode::Off, "tracking-off"),
            choice(TrackingMode::Notify, "tracking-notify"),
            choice(TrackingMode::Apply, "tracking-apply"),
        ],
        value: model.mode.into(),
        change: Callback::new(move |mode| model.mode.set(mode)),
    })
}

fn fields(model: Follow) -> AnyView {
    let wrong = move || match model.preview.get() {
        Some(Err(failure)) => Some(failure.detail()),
        _ => model.error(&["schedule", "expression", "timing"]),
    };
    view! {
        {field(model, Line {
            id: "tracking-cron",
            label: "Look at these times",
            help: "A cron line: `0 4 * * *` is every day at 04:00, `@hourly` every hour. Empty: nobody looks by the clock, only a webhook and you.",
            value: model.schedule,
            error: derived(wrong),
        })}
        {dynamic(move || preview(model))}
        {field(model, Line {
            id: "tracking-ref",
            label: "Branch or tag",
            help: "Empty: the one that the active release came from.",
            value: model.reference,
            error: derived(move || model.error(&["ref"])),
        })}
    }
    .into_any()
}

/// A line of the form.
struct Line {
    id: &'static str,
    label: &'static str,
    help: &'static str,
    value: RwSignal<String>,
    error: Signal<Option<String>>,
}

fn field(model: Follow, line: Line) -> AnyView {
    let Line { id, label, help, value, error } = line;
    text_field(TextField {
        id,
        label,
        help,
        style: InputStyle::Machine,
        list: None,
        value: value.into(),
        change: Callback::new(move |text| {
            model.asked.failure().set(None);
            value.set(text);
        }),
        error,
    })
}

/// What the times are in words, and the next of them.
fn preview(model: Follow) -> Option<AnyView> {
    let Some(Ok(preview)) = model.preview.get() else { return None };
    let next = preview.next.first().map(|at| {
        let at = *at;
        view! {
            <p class="muted">"First on " {clock::appointment(at)} ", " {dynamic(move || model.state.clock.until(at))} "."</p>
        }
    });
    let shown = view! {
        <div class="preview" role="status" data-testid="tracking-preview">
            <p class="preview-words">{preview.words.clone()}</p>
            {next}
        </div>
    };
    Some(shown.into_any())
}
