//! All apps: what needs attention on top, then everything as dense rows.

mod attention;
mod row;

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use mantyx_api_types::AppView;
use mantyx_api_types::core::{AppState, AppType};

use crate::components::{Icon, IntoViews, dynamic, empty, icon, keyed, skeleton};
use crate::state::{State, memo};
use crate::text::number;

/// Which apps are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    All,
    Running,
    Scheduled,
    Stopped,
    Failed,
}

impl Group {
    const ALL: [Self; 5] = [Self::All, Self::Running, Self::Scheduled, Self::Stopped, Self::Failed];

    const fn title(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Running => "Running",
            Self::Scheduled => "Scheduled",
            Self::Stopped => "Stopped",
            Self::Failed => "Failed",
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::All => "filter-all",
            Self::Running => "filter-running",
            Self::Scheduled => "filter-scheduled",
            Self::Stopped => "filter-stopped",
            Self::Failed => "filter-failed",
        }
    }

    fn holds(self, app: &AppView) -> bool {
        match self {
            Self::All => true,
            Self::Running => app.state == AppState::Running,
            Self::Scheduled => app.r#type == AppType::Scheduled,
            Self::Stopped => matches!(app.state, AppState::Stopped | AppState::Disabled),
            Self::Failed => app.state == AppState::Failed,
        }
    }
}

/// The signals of the screen.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    group: RwSignal<Group>,
    text: RwSignal<String>,
}

impl Model {
    /// The apps to show by name, or nothing while the daemon has said nothing.
    fn apps(self) -> Option<Vec<ArcRwSignal<AppView>>> {
        let (group, text) = (self.group.get(), self.text.read().trim().to_ascii_lowercase());
        let mut apps = self.state.store.apps()?;
        apps.retain(|app| app.with(|app| group.holds(app) && matches(app, &text)));
        apps.sort_by_cached_key(|app| app.with(|app| app.name.clone()));
        Some(apps)
    }

    fn count(self, group: Group) -> usize {
        let apps = self.state.store.apps().unwrap_or_default();
        apps.iter().filter(|app| app.with(|app| group.holds(app))).count()
    }
}

fn matches(app: &AppView, text: &str) -> bool {
    let words = [app.name.as_str(), &app.display_name, &app.description];
    text.is_empty()
        || words.iter().any(|words| words.to_ascii_lowercase().contains(text))
        || app.tags.iter().any(|tag| tag.to_ascii_lowercase().contains(text))
}

/// The screen.
pub(crate) fn dashboard(state: State) -> impl IntoView {
    let model = Model { state, group: RwSignal::new(Group::All), text: RwSignal::new(String::new()) };
    let how_many = memo(move || state.store.apps().map(|apps| apps.len()));
    view! {
        <div class="page">
            {dynamic(move || match how_many.get() {
                None => view! { <h1>"Apps"</h1> {skeleton(8)} }.into_any(),
                Some(0) => view! { <h1>"Apps"</h1> {nothing_yet()} }.into_any(),
                Some(_) => view! {
                    {head(model)}
                    {attention::attention(state)}
                    {table(model)}
                }
                .into_any(),
            })}
        </div>
    }
}

fn head(model: Model) -> impl IntoView {
    let chips = Group::ALL.map(|group| chip(model, group)).into_views();
    view! {
        <header class="head">
            <h1>"Apps"</h1>
            <div class="chips" role="group" aria-label="Show">{chips}</div>
            <span class="spring"></span>
            {search(model)}
            <a class="button primary" href="/add" data-testid="add-app">{icon(Icon::Add)} "Add app"</a>
        </header>
    }
}

fn chip(model: Model, group: Group) -> impl IntoView {
    let chosen = move || model.group.get() == group;
    view! {
        <button
            type="button"
            class="chip"
            data-testid=group.id()
            aria-pressed=move || chosen().to_string()
            on:click=move |_| model.group.set(group)
        >
            {group.title()}
            <b>{dynamic(move || number::count(model.count(group)))}</b>
        </button>
    }
}

/// The search field; `/` goes there from anywhere that is not a field itself.
fn search(model: Model) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    let keys = window_event_listener(ev::keydown, move |event| {
        if event.key() == "/" && !event.ctrl_key() && !event.meta_key() && !is_typing() {
            event.prevent_default();
            if let Some(input) = input.get_untracked() {
                let _ = input.focus();
            }
        }
    });
    on_cleanup(move || keys.remove());
    view! {
        <div class="search">
            {icon(Icon::Search)}
            <input
                node_ref=input
                type="search"
                class="input"
                data-testid="search"
                placeholder="Find an app"
                aria-label="Find an app"
                aria-keyshortcuts="/"
                prop:value=model.text
                on:input:target=move |event| model.text.set(event.target().value())
            />
            <kbd aria-hidden="true">"/"</kbd>
        </div>
    }
}

fn is_typing() -> bool {
    let focused = document().active_element().map(|element| element.tag_name());
    matches!(focused.as_deref(), Some("INPUT" | "TEXTAREA" | "SELECT"))
}

/// The columns before the one of the actions: their titles and classes.
const COLUMNS: [(&str, &str); 10] = [
    ("App", ""),
    ("State", ""),
    ("Type", "cell-type"),
    ("CPU", ""),
    ("Memory", ""),
    ("Up / last run", ""),
    ("Next run", "cell-next"),
    ("Restarts", "number"),
    ("Release", "number cell-release"),
    ("Web page", ""),
];

fn table(model: Model) -> impl IntoView {
    let none = move || model.apps().is_some_and(|apps| apps.is_empty());
    let clear = move |_| {
        model.group.set(Group::All);
        model.text.set(String::new());
    };
    view! {
        <div class="panel">
            <table class="apps" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        {COLUMNS.map(|(title, class)| view! { <th role="columnheader" scope="col" class=class>{title}</th> }).into_views()}
                        <th role="columnheader" scope="col"><span class="hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {keyed(
                        move || model.apps().unwrap_or_default(),
                        |app| app.with_untracked(|app| app.id.to_string()),
                        move |app| row::row(model.state, app.into()),
                    )}
                </tbody>
            </table>
            {dynamic(move || none().then(|| view! {
                <p class="table-empty">
                    "No app matches. "
                    <button type="button" class="link" on:click=clear>"Show all apps"</button>
                </p>
            }))}
        </div>
    }
}

/// What the first visit sees: what an app is here, and the one way to begin.
fn nothing_yet() -> impl IntoView {
    empty(
        "Bring your first Python app",
        view! {
            <p>
                "An app is any Python that should run here: a service that is always up, or a script that runs at certain times. Mantyx gives it an environment of its own, keeps it running, and keeps its logs."
            </p>
            <ol class="lessons">
                <li><b>"Add"</b> " a zip, a single script, or a git repository. Nothing runs yet."</li>
                <li><b>"Install"</b> " it: its dependencies go into an environment of its own."</li>
                <li><b>"Enable"</b> " it. From then on Mantyx runs it, and you see it here."</li>
            </ol>
            <a class="button primary" href="/add" data-testid="add-app">{icon(Icon::Add)} "Add app"</a>
        },
    )
}
