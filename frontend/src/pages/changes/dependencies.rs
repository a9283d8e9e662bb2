//! What an app depends on: as its source declares it, as it is installed, and what the index has newer versions of.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::core::OperationId;
use mantyx_api_types::{AppView, DependenciesView, InstalledPackage, OutdatedPackage};

use super::fetch::{fetched, of_app};
use crate::api::Answer;
use crate::components::{
    AnswerButton, Icon, IntoViews, LogView, Question, dynamic, empty, failure_notice, icon, log_view, prose,
    question, skeleton,
};
use crate::state::{Follow, State, derived, effect};
use crate::text::{number, words};

/// From how many packages on they can be searched through.
const MANY: usize = 15;

/// The signals of the tab.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    app: Signal<AppView>,
    /// What the index has newer versions of, once it was asked.
    newer: RwSignal<Option<Answer<Vec<OutdatedPackage>>>>,
    looking: RwSignal<bool>,
    asked: Question,
    log: RwSignal<bool>,
    sought: RwSignal<String>,
}

impl Model {
    fn name(self) -> String {
        self.app.with_untracked(|app| app.name.to_string())
    }

    fn look(self) {
        if self.looking.get_untracked() {
            return;
        }
        self.looking.set(true);
        spawn_local(async move {
            let answer = self.state.client.outdated(&self.name()).await;
            self.looking.try_set(false);
            self.newer.try_set(Some(answer));
        });
    }

    fn update(self) {
        let (state, name) = (self.state, self.name());
        let answer = async move { state.client.update_dependencies(&name).await };
        self.asked.send(answer, move |operation| state.store.put_operation(operation));
    }
}

/// The tab.
pub(super) fn dependencies(state: State, app: Signal<AppView>) -> AnyView {
    let read = of_app(state, app, move |app| async move { state.client.dependencies(&app).await });
    let model = Model {
        state,
        app,
        newer: RwSignal::new(None),
        looking: RwSignal::new(false),
        asked: Question::new(),
        log: RwSignal::new(false),
        sought: RwSignal::new(String::new()),
    };
    // What was found about other packages than these says nothing.
    effect(move || {
        read.track();
        model.newer.set(None);
    });
    view! { {fetched(read, 8, move |view| content(model, view))} {update_question(model)} }.into_any()
}

fn content(model: Model, view: &DependenciesView) -> AnyView {
    if view.python.is_none() {
        let words = view! { <p>"Installing the app builds it: what its source declares is resolved, locked and installed."</p> };
        return view! { {empty("There is no environment yet", words)} {declared(view)} }.into_any();
    }
    let packages = StoredValue::new(sorted(&view.installed));
    view! {
        <div class="tab-head">
            <p class="spring">{summary(view)}</p>
            {head_buttons(model)}
        </div>
        {outcome(model)}
        <div class="columns">
            <div class="column">{table(model, packages)}</div>
            <div class="column">{declared(view)} {view.install_operation.map(|id| build_log(model, id))}</div>
        </div>
    }
    .into_any()
}

fn summary(view: &DependenciesView) -> AnyView {
    let count = number::plural(view.installed.len(), "package", "packages");
    let python = view.python.clone().unwrap_or_default();
    let builder = view.builder.as_ref().map(|builder| format!(", built by {builder}"));
    view! { <b>{count}</b> {format!(" for Python {python}")} <span class="muted">{builder}</span> }.into_any()
}

fn head_buttons(model: Model) -> AnyView {
    let looking = move || model.looking.get().to_string();
    view! {
        <button type="button" class="button" data-testid="look-for-newer" aria-disabled=looking on:click=move |_| model.look()>
            {icon(Icon::Search)} "Look for newer versions"
        </button>
        <button type="button" class="button primary" data-testid="update-dependencies" on:click=move |_| model.asked.ask()>
            {icon(Icon::Service)} "Update packages"
        </button>
    }
    .into_any()
}

/// What the index answered, in a sentence.
fn outcome(model: Model) -> AnyView {
    let words = move || match (model.looking.get(), model.newer.get()) {
        (true, _) => view! { <p class="muted">"Asking the index of packages"</p> {skeleton(1)} }.into_any(),
        (false, None) => ().into_any(),
        (false, Some(Err(failure))) => failure_notice(&failure).into_any(),
        (false, Some(Ok(newer))) => {
            let words = match newer.len() {
                0 => "Every package is the newest there is.".to_owned(),
                1 => "1 package has a newer version. Whether the requirements allow it, an update finds out."
                    .to_owned(),
                many => format!(
                    "{} packages have newer versions. Whether the requirements allow them, an update finds out.",
                    number::count(many)
                ),
            };
            view! { <p data-testid="newer-words">{words}</p> }.into_any()
        }
    };
    view! { <div role="status" class="status-line">{dynamic(words)}</div> }.into_any()
}

/// Those that the source asks for first.
fn sorted(packages: &[InstalledPackage]) -> Vec<InstalledPackage> {
    let mut packages = packages.to_vec();
    packages.sort_by(|a, b| (a.requirement.is_none(), &a.name).cmp(&(b.requirement.is_none(), &b.name)));
    packages
}

fn table(model: Model, packages: StoredValue<Vec<InstalledPackage>>) -> AnyView {
    let count = packages.with_value(Vec::len);
    // Where nobody can tell for any, it is not said of each that another package asks for it.
    let direct = packages.with_value(|packages| packages.iter().any(|package| package.requirement.is_some()));
    let known = if direct { Known::Yes } else { Known::No };
    if count == 0 {
        let words = view! { <p>"It needs nothing but Python itself."</p> };
        return empty("No packages", words).into_any();
    }
    let newer = move || -> Option<BTreeMap<String, String>> {
        let newer = model.newer.read();
        let newer = newer.as_ref()?.as_ref().ok()?;
        Some(newer.iter().map(|package| (package.name.clone(), package.latest.clone())).collect())
    };
    let rows = move || {
        let (sought, newer) = (model.sought.read().trim().to_lowercase(), newer());
        packages.with_value(|packages| {
            let found = packages.iter().filter(|package| package.name.contains(&sought));
            found.map(|package| row(package, newer.as_ref(), known)).into_views()
        })
    };
    let latest = move || {
        model.newer.with(|newer| matches!(newer, Some(Ok(_)))).then(|| {
            view! { <th role="columnheader" scope="col">"Newest"</th> }
        })
    };
    view! {
        <section class="panel">
            {(count >= MANY).then(|| search(model))}
            <table class="packages-table" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Package"</th>
                        <th role="columnheader" scope="col">"Installed"</th>
                        {dynamic(latest)}
                        <th role="columnheader" scope="col">"Asked for by"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{dynamic(rows)}</tbody>
            </table>
        </section>
    }
    .into_any()
}

fn search(model: Model) -> AnyView {
    view! {
        <div class="panel-title">
            <input
                type="search"
                class="input"
                data-testid="packages-search"
                placeholder="Find a package"
                aria-label="Find a package"
                prop:value=model.sought
                on:input:target=move |event| model.sought.set(event.target().value())
            />
        </div>
    }
    .into_any()
}

/// Whether it is known what asks for the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

/// One that another package needs is quieter than one that the source asks for.
fn row(package: &InstalledPackage, newer: Option<&BTreeMap<String, String>>, known: Known) -> AnyView {
    let by = match (&package.requirement, known) {
        (Some(requirement), _) => view! { <code>{requirement.clone()}</code> }.into_any(),
        (None, Known::Yes) => view! { <span class="muted">"another package"</span> }.into_any(),
        (None, Known::No) => view! { <span class="muted">"not known"</span> }.into_any(),
    };
    let latest = newer.map(|newer| match newer.get(&package.name) {
        Some(latest) => {
            view! { <td role="cell" class="cell-newest"><span class="tag newer">{icon(Icon::Upload)} {latest.clone()}</span></td> }
                .into_any()
        }
        None => view! { <td role="cell" class="cell-newest same muted">"the same"</td> }.into_any(),
    });
    let class = match (&package.requirement, known) {
        (Some(_), _) => "direct",
        (None, Known::Yes) => "transitive",
        (None, Known::No) => "",
    };
    view! {
        <tr role="row" class=class data-testid="package-row">
            <td role="cell" class="cell-package">{package.name.clone()}</td>
            <td role="cell" class="cell-version">{package.version.clone()}</td>
            {latest}
            <td role="cell" class="cell-by">{by}</td>
        </tr>
    }
    .into_any()
}

fn declared(view: &DependenciesView) -> AnyView {
    let line = |(place, file): (usize, &mantyx_api_types::core::DependencyFile)| {
        let count =
            file.count.map(|count| format!(", {}", number::plural(count as usize, "package", "packages")));
        let rest = if place == 0 { "" } else { ", not used" };
        view! {
            <li>
                <code>{file.path.to_string()}</code> " "
                <span class="muted">{words::dependencies(file.format)} {count} {rest}</span>
            </li>
        }
    };
    let nothing = view
        .declared
        .is_empty()
        .then(|| view! { <p class="panel-words muted">"Its source declares nothing."</p> });
    view! {
        <section class="panel" data-testid="declared">
            <div class="panel-title"><h2>"Declared in"</h2></div>
            <ul class="lines">{view.declared.iter().enumerate().map(line).into_views()}</ul>
            {nothing}
        </section>
    }
    .into_any()
}

fn build_log(model: Model, id: OperationId) -> AnyView {
    let log = move || {
        log_view(
            model.state,
            LogView {
                follow: Follow::Operation(id),
                search: None,
                more: ViewFn::default(),
                nothing: "Its log is not kept any more",
            },
        )
    };
    view! {
        <section class="panel">
            <div class="panel-title">
                <h2>"How it was built"</h2>
                <button
                    type="button"
                    class="button small unfold"
                    data-testid="build-log"
                    aria-expanded=move || model.log.get().to_string()
                    on:click=move |_| model.log.update(|open| *open = !*open)
                >
                    {icon(Icon::Unfold)} "Log"
                </button>
            </div>
            {dynamic(move || model.log.get().then(log))}
        </section>
    }
    .into_any()
}

fn update_question(model: Model) -> AnyView {
    let words = "The code stays. The newest packages that its requirements allow are chosen and locked, and the environment is built beside the one in use. Then a backup is made and the new release is taken into use. If the app does not become healthy, everything is as it was.";
    let answer = AnswerButton {
        id: "update-dependencies-submit",
        title: "Update packages",
        class: "button primary",
        ready: derived(|| true),
        submit: Callback::new(move |()| model.update()),
    };
    let title = move || format!("Update the packages of {}?", model.app.read().name);
    question(model.asked, title, view! { <p>{prose(words)}</p> }, answer)
}
