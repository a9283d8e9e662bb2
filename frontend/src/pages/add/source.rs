//! The first step: a file, a pasted script, or a git repository.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::RelativePath;
use mantyx_api_types::{AppCreated, GitSource, NewApp};
use wasm_bindgen::JsValue;

use super::{Step, steps};
use crate::api::{Failure, Progress};
use crate::components::{
    Choice, FileDrop, InputStyle, Segmented, TextField, dynamic, failure_notice, file_drop, segmented,
    text_field,
};
use crate::pages::credential::{Without, chosen, credential, submodules};
use crate::route::Route;
use crate::state::form::errors_at;
use crate::state::{State, derived};
use crate::text::number;

/// Where code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    File,
    Paste,
    Git,
}

/// The signals of the screen.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    way: RwSignal<Way>,
    file: RwSignal<Option<web_sys::File>, LocalStorage>,
    script: RwSignal<String>,
    script_name: RwSignal<String>,
    url: RwSignal<String>,
    reference: RwSignal<String>,
    subdir: RwSignal<String>,
    credential: RwSignal<String>,
    submodules: RwSignal<bool>,
    /// How much has left, while something is on its way.
    progress: RwSignal<Option<Progress>>,
    failure: RwSignal<Option<Failure>>,
}

impl Model {
    fn new(state: State) -> Self {
        Self {
            state,
            way: RwSignal::new(Way::File),
            file: RwSignal::new_local(None),
            script: RwSignal::new(String::new()),
            script_name: RwSignal::new("main.py".to_owned()),
            url: RwSignal::new(String::new()),
            reference: RwSignal::new(String::new()),
            subdir: RwSignal::new(String::new()),
            credential: RwSignal::new(String::new()),
            submodules: RwSignal::new(false),
            progress: RwSignal::new(None),
            failure: RwSignal::new(None),
        }
    }

    fn take(self, file: Option<web_sys::File>) {
        self.failure.set(None);
        self.file.set(file);
    }

    /// Takes what was typed; what was wrong before is a thing of the past.
    fn edit(self, field: RwSignal<String>, text: String) {
        if self.failure.with_untracked(Option::is_some) {
            self.failure.set(None);
        }
        field.set(text);
    }

    /// Whether there is something to send.
    fn ready(self) -> bool {
        match self.way.get() {
            Way::File => self.file.with(Option::is_some),
            Way::Paste => !self.script.read().trim().is_empty() && !self.script_name.read().trim().is_empty(),
            Way::Git => !self.url.read().trim().is_empty(),
        }
    }

    fn submit(self) {
        if !untrack(|| self.ready()) || self.progress.get_untracked().is_some() {
            return;
        }
        self.failure.set(None);
        self.progress.set(Some(Progress::default()));
        spawn_local(async move {
            let answer = match self.way.get_untracked() {
                Way::File => self.send_file().await,
                Way::Paste => self.send_script().await,
                Way::Git => self.send_git().await,
            };
            self.progress.set(None);
            match answer {
                Ok(created) => self.arrived(created),
                Err(failure) => self.failure.set(Some(failure)),
            }
        });
    }

    fn arrived(self, created: AppCreated) {
        let name = created.app.name.to_string();
        self.state.store.put_app(created.app);
        self.state.router.go(&Route::Setup(name));
    }

    fn told(self) -> impl Fn(Progress) + 'static {
        move |progress| self.progress.set(Some(progress))
    }

    /// What the file is the daemon decides by its content; a Python file goes to the door for scripts.
    async fn send_file(self) -> Result<AppCreated, Failure> {
        let Some(file) = self.file.get_untracked() else { return Err(Failure::Unreachable) };
        let name = file.name();
        if has_extension(&name, "py") {
            self.state.client.add_script(&file, &name, self.told()).await
        } else {
            self.state.client.add_archive(&file, &name, self.told()).await
        }
    }

    async fn send_script(self) -> Result<AppCreated, Failure> {
        let parts = js_sys::Array::of1(&JsValue::from_str(&self.script.get_untracked()));
        let blob = web_sys::Blob::new_with_str_sequence(&parts).map_err(|_| Failure::Unreachable)?;
        let typed = self.script_name.get_untracked().trim().to_owned();
        let name = if has_extension(&typed, "py") { typed } else { format!("{typed}.py") };
        self.state.client.add_script(&blob, &name, self.told()).await
    }

    async fn send_git(self) -> Result<AppCreated, Failure> {
        let given =
            |text: RwSignal<String>| Some(text.get_untracked().trim().to_owned()).filter(|t| !t.is_empty());
        let subdir = given(self.subdir).map(|path| RelativePath::parse(&path)).transpose();
        let subdir = subdir.map_err(|error| Failure::field("subdir", &error.to_string()))?;
        let source = GitSource {
            url: given(self.url).unwrap_or_default(),
            reference: given(self.reference),
            subdir,
            credential: chosen(self.credential),
            submodules: self.submodules.get_untracked(),
            app: NewApp::default(),
        };
        self.state.client.add_from_git(&source).await
    }

    fn error(self, names: &'static [&'static str]) -> Signal<Option<String>> {
        derived(move || {
            let failure = self.failure.read();
            failure.as_ref().and_then(|failure| errors_at(&failure.fields(), names))
        })
    }
}

fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case(extension))
}

/// The screen.
pub(crate) fn add(state: State) -> impl IntoView {
    let model = Model::new(state);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        model.submit();
    };
    let general = move || {
        let failure = model.failure.get()?;
        failure.fields().is_empty().then(|| failure_notice(&failure))
    };
    view! {
        <div class="page narrow">
            <header class="head"><h1>"Add app"</h1>{steps(Step::Code)}</header>
            <form class="stack" on:submit=submit>
                {segmented(Segmented {
                    name: "source",
                    label: "Where its code comes from",
                    help: "",
                    choices: vec![
                        Choice { value: Way::File, title: "A file", id: "source-file" },
                        Choice { value: Way::Paste, title: "Pasted script", id: "paste-script" },
                        Choice { value: Way::Git, title: "Git", id: "source-git" },
                    ],
                    value: model.way.into(),
                    change: Callback::new(move |way| {
                        model.failure.set(None);
                        model.way.set(way);
                    }),
                })}
                {dynamic(move || match model.way.get() {
                    Way::File => file_drop(FileDrop {
                        file: model.file,
                        take: Callback::new(move |file| model.take(file)),
                        title: "Drop a project or a script here",
                        help: "A zip, tar or tar.gz of the project, or a single .py file.",
                    }),
                    Way::Paste => paste(model).into_any(),
                    Way::Git => git(model).into_any(),
                })}
                {dynamic(general)}
                {submit_row(model)}
            </form>
        </div>
    }
}

fn submit_row(model: Model) -> impl IntoView {
    let waiting = move || model.progress.get();
    let words = move || match (waiting(), model.way.get()) {
        (None, _) => "Nothing of it runs until you enable it.".to_owned(),
        (Some(_), Way::Git) => "Fetching and checking the repository".to_owned(),
        (Some(progress), _) if progress.0 < 1.0 => format!("Uploading, {}", number::percent(progress.0)),
        (Some(_), _) => "Checking what is in it".to_owned(),
    };
    view! {
        {dynamic(move || waiting().map(|progress| view! {
            <div class="progress progress-running" class:unknown={progress.0 >= 1.0 || model.way.get() == Way::Git}>
                <span style:width=number::length(progress.0)></span>
            </div>
        }))}
        <div class="submit">
            <p class="muted" role="status">{dynamic(words)}</p>
            <button
                type="submit"
                class="button primary"
                data-testid="upload-submit"
                aria-disabled=move || (!model.ready() || waiting().is_some()).to_string()
            >
                "Continue"
            </button>
        </div>
    }
}

fn paste(model: Model) -> impl IntoView {
    let area = NodeRef::<html::Textarea>::new();
    let error = model.error(&["file", "script"]);
    view! {
        <div class="field" class:wrong=move || error.read().is_some()>
            <label for="script-source">"Script"</label>
            <textarea
                node_ref=area
                id="script-source"
                data-testid="script-source"
                class="input machine"
                rows="14"
                spellcheck="false"
                autocapitalize="off"
                aria-describedby="script-words"
                placeholder=EXAMPLE
                prop:value=model.script
                on:input:target=move |event| model.edit(model.script, event.target().value())
            ></textarea>
            <p id="script-words" class=move || if error.read().is_some() { "field-error" } else { "field-help" }>
                {dynamic(move || error.get().unwrap_or_else(|| {
                    "Packages that it needs can stand in a comment at its top, as PEP 723 says.".to_owned()
                }))}
            </p>
        </div>
        {text_field(TextField {
            id: "script-name",
            label: "File name",
            help: "The app is named after it.",
            style: InputStyle::Machine,
            list: None,
            value: model.script_name.into(),
            change: Callback::new(move |name| model.edit(model.script_name, name)),
            error: model.error(&["name", "filename"]),
        })}
    }
}

const EXAMPLE: &str = "# /// script\n# dependencies = [\"requests\"]\n# ///\nimport requests\n\nprint(requests.get(\"https://example.org\").status_code)";

fn git(model: Model) -> impl IntoView {
    let field = move |id, label, help, value: RwSignal<String>, names| {
        text_field(TextField {
            id,
            label,
            help,
            style: InputStyle::Machine,
            list: None,
            value: value.into(),
            change: Callback::new(move |text| model.edit(value, text)),
            error: model.error(names),
        })
    };
    view! {
        {field(
            "git-url",
            "Address of the repository",
            "`https://…`, `ssh://…`, `git@host:path` or `file://…`, without credentials.",
            model.url,
            &["url"],
        )}
        <div class="pair">
            {field("git-ref", "Branch, tag or commit", "The default branch when it is empty.", model.reference, &["ref"])}
            {field("git-subdir", "Folder", "The part of the repository that is the app; all of it when empty.", model.subdir, &["subdir"])}
        </div>
        {credential(
            model.state,
            "git-credential",
            model.credential,
            Signal::stored(Without::None),
            model.error(&["credential"]),
        )}
        {submodules("git-submodules", model.submodules)}
    }
}
