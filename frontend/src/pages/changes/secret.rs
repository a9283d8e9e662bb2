//! The question what a secret holds. What was typed is forgotten as soon as the daemon has it, or the answer is no.

use leptos::prelude::*;
use mantyx_api_types::core::{SecretKind, SecretName};
use mantyx_api_types::{SecretRequest, SecretView};

use super::fetch::Fetched;
use super::secrets::{kind, load};
use crate::api::{Answer, Failure};
use crate::components::{
    AnswerButton, Choice, InputStyle, Question, Segmented, TextField, dynamic, prose, question, segmented,
    text_field,
};
use crate::state::form::errors_at;
use crate::state::{State, derived};

/// The question.
#[derive(Clone, Copy)]
pub(super) struct Holding {
    /// Everything.
    pub(super) state: State,
    /// The secrets that there are.
    pub(super) list: Fetched<Vec<SecretView>>,
    asked: Question,
    /// Whether one that is there is replaced: then its name stays.
    again: RwSignal<bool>,
    name: RwSignal<String>,
    kind: RwSignal<SecretKind>,
    value: RwSignal<String>,
    username: RwSignal<String>,
    passphrase: RwSignal<String>,
    host: RwSignal<String>,
}

impl Holding {
    /// One that is not asked yet.
    pub(super) fn new(state: State, list: Fetched<Vec<SecretView>>) -> Self {
        let text = || RwSignal::new(String::new());
        let (name, value, username, passphrase, host) = (text(), text(), text(), text(), text());
        let (again, kind) = (RwSignal::new(false), RwSignal::new(SecretKind::Token));
        Self { state, list, asked: Question::new(), again, name, kind, value, username, passphrase, host }
    }

    /// Asks for a new one, or for what another holds from now on.
    pub(super) fn ask(self, secret: Option<&SecretView>) {
        self.again.set(secret.is_some());
        self.name.set(secret.map(|secret| secret.name.to_string()).unwrap_or_default());
        self.kind.set(secret.map_or(SecretKind::Token, |secret| secret.kind));
        self.host.set(secret.and_then(|secret| secret.host.clone()).unwrap_or_default());
        self.forget();
        self.asked.ask();
    }

    fn forget(self) {
        for field in [self.value, self.username, self.passphrase] {
            field.set(String::new());
        }
    }

    fn ready(self) -> bool {
        let is_given = |text: RwSignal<String>| !text.read().trim().is_empty();
        let has_host = self.kind.get() != SecretKind::Token || is_given(self.host);
        is_given(self.name) && is_given(self.value) && has_host
    }

    fn request(self) -> Answer<(SecretName, SecretRequest)> {
        let given =
            |text: RwSignal<String>| Some(text.get_untracked().trim().to_owned()).filter(|t| !t.is_empty());
        let name = SecretName::parse(self.name.get_untracked().trim())
            .map_err(|error| Failure::field("name", &error.to_string()))?;
        let kind = self.kind.get_untracked();
        let request = SecretRequest {
            kind,
            // The spaces of a text may be part of it; those around a token are slips of a hand.
            value: match kind {
                SecretKind::Token => self.value.get_untracked().trim().to_owned(),
                SecretKind::SshKey | SecretKind::Text => self.value.get_untracked(),
            },
            username: given(self.username).filter(|_| kind == SecretKind::Token),
            passphrase: Some(self.passphrase.get_untracked())
                .filter(|text| kind == SecretKind::SshKey && !text.is_empty()),
            host: given(self.host),
        };
        Ok((name, request))
    }

    fn submit(self) {
        let state = self.state;
        let answer = async move {
            let (name, request) = self.request()?;
            state.client.set_secret(&name, &request).await
        };
        self.asked.send(answer, move |secret| {
            self.forget();
            state.toasts.good(format!("The secret `{}` is set", secret.name), None);
            load(state, self.list);
        });
    }

    fn error(self, names: &'static [&'static str]) -> Signal<Option<String>> {
        derived(move || {
            self.asked.failure().read().as_ref().and_then(|failure| errors_at(&failure.fields(), names))
        })
    }
}

/// Its dialog.
pub(super) fn set(model: Holding) -> AnyView {
    let answer = AnswerButton {
        id: "secret-submit",
        title: "Set it",
        class: "button primary",
        ready: derived(move || model.ready()),
        submit: Callback::new(move |()| model.submit()),
    };
    let title = move || {
        if model.again.get() { format!("Replace {}", model.name.read()) } else { "Set a secret".to_owned() }
    };
    let content = view! {
        <div class="stack-tight wide">
            {dynamic(move || (!model.again.get()).then(|| name(model)))}
            {kinds(model)}
            {dynamic(move || match model.kind.get() {
                SecretKind::Token => token(model),
                SecretKind::SshKey => key(model),
                SecretKind::Text => long(model, "Text", ""),
            })}
            {line(model, Line {
                id: "secret-host",
                label: "Only for this host",
                help: "Such as `github.com`; it is sent nowhere else. A private key may do without.",
                style: InputStyle::Machine,
                value: model.host,
                names: &["host"],
            })}
        </div>
    };
    question(model.asked, title, content, answer)
}

fn name(model: Holding) -> AnyView {
    line(
        model,
        Line {
            id: "secret-name",
            label: "Name",
            help: "What apps call it by: small letters, digits, `-` and `_`.",
            style: InputStyle::Machine,
            value: model.name,
            names: &["name"],
        },
    )
}

fn kinds(model: Holding) -> AnyView {
    let choice = |value, id| Choice { value, title: kind(value), id };
    segmented(Segmented {
        name: "secret-kind",
        label: "What it is",
        help: "",
        choices: vec![
            choice(SecretKind::Token, "secret-token"),
            choice(SecretKind::SshKey, "secret-ssh-key"),
            choice(SecretKind::Text, "secret-text"),
        ],
        value: model.kind.into(),
        change: Callback::new(move |kind| {
            model.asked.failure().set(None);
            model.kind.set(kind);
        }),
    })
}

fn token(model: Holding) -> AnyView {
    view! {
        <div class="pair">
            {line(model, Line {
                id: "secret-value",
                label: "Token or password",
                help: "Give it the right to read, and no other.",
                style: InputStyle::Secret,
                value: model.value,
                names: &["value"],
            })}
            {line(model, Line {
                id: "secret-username",
                label: "User",
                help: "Mostly not asked for.",
                style: InputStyle::Machine,
                value: model.username,
                names: &["username"],
            })}
        </div>
    }
    .into_any()
}

fn key(model: Holding) -> AnyView {
    view! {
        {long(model, "Private key", "The text of the file that `ssh-keygen` wrote, with its first and last line. The repository has to know its public part.")}
        {line(model, Line {
            id: "secret-passphrase",
            label: "Passphrase",
            help: "Empty when the key has none.",
            style: InputStyle::Secret,
            value: model.passphrase,
            names: &["passphrase"],
        })}
    }
    .into_any()
}

/// A value of several lines.
fn long(model: Holding, label: &'static str, help: &'static str) -> AnyView {
    let error = model.error(&["value"]);
    let words = move || error.get().map_or_else(|| prose(help), |error| prose(&error));
    view! {
        <div class="field" class:wrong=move || error.read().is_some()>
            <label for="secret-value">{label}</label>
            <textarea
                id="secret-value"
                data-testid="secret-value"
                class="input machine veiled"
                rows="7"
                spellcheck="false"
                autocapitalize="off"
                autocomplete="off"
                aria-describedby="secret-value-words"
                prop:value=model.value
                on:input:target=move |event| {
                    model.asked.failure().set(None);
                    model.value.set(event.target().value());
                }
            ></textarea>
            <p id="secret-value-words" class=move || if error.read().is_some() { "field-error" } else { "field-help" }>{dynamic(words)}</p>
        </div>
    }
    .into_any()
}

/// A line of the form.
struct Line {
    id: &'static str,
    label: &'static str,
    help: &'static str,
    style: InputStyle,
    value: RwSignal<String>,
    names: &'static [&'static str],
}

fn line(model: Holding, line: Line) -> AnyView {
    let Line { id, label, help, style, value, names } = line;
    text_field(TextField {
        id,
        label,
        help,
        style,
        list: None,
        value: value.into(),
        change: Callback::new(move |text| {
            model.asked.failure().set(None);
            value.set(text);
        }),
        error: model.error(names),
    })
}
