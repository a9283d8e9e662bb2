//! Logging in: by the one-time code of the printed link, by password, or with an access token.

use leptos::prelude::*;
use leptos::task::spawn_local;
use mantyx_api_types::TokenAnswer;

use crate::api::Failure;
use crate::components::{
    Choice, InputStyle, Segmented, TextField, dynamic, failure_notice, logo, segmented, text_field,
};
use crate::route::Route;
use crate::state::State;

/// With what somebody logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Password,
    Token,
}

/// The signals of the screen.
#[derive(Clone, Copy)]
struct Model {
    state: State,
    way: RwSignal<Way>,
    secret: RwSignal<String>,
    failure: RwSignal<Option<Failure>>,
    busy: RwSignal<bool>,
}

impl Model {
    /// Takes the answer of any way in, and goes where somebody wanted to go.
    fn enter(self, answer: Result<TokenAnswer, Failure>, next: &str) {
        self.busy.set(false);
        match answer {
            Ok(answer) => {
                self.state.session.open(answer.access_token);
                self.state.router.visit(next);
            }
            Err(failure) => self.failure.set(Some(failure)),
        }
    }

    fn redeem(self, code: String) {
        self.busy.set(true);
        let next = next_address();
        // A code works once: it does not stay in the address.
        self.state.router.replace(&Route::Login);
        spawn_local(async move {
            let answer = self.state.client.log_in_by_code(code).await;
            self.enter(answer, &next);
        });
    }

    fn submit(self) {
        let secret = self.secret.get_untracked();
        if secret.is_empty() || self.busy.get_untracked() {
            return;
        }
        self.failure.set(None);
        self.busy.set(true);
        spawn_local(async move {
            let answer = match self.way.get_untracked() {
                Way::Password => self.state.client.log_in_by_password(&secret).await,
                Way::Token => self.try_token(secret.trim().to_owned()).await,
            };
            self.enter(answer, &next_address());
        });
    }

    /// A token is good when something answers to it.
    async fn try_token(self, token: String) -> Result<TokenAnswer, Failure> {
        self.state.client.check_token(&token).await?;
        Ok(TokenAnswer { access_token: token, token_type: "bearer".to_owned(), expires_in: 0 })
    }
}

/// The screen.
pub(crate) fn login(state: State) -> impl IntoView {
    let model = Model {
        state,
        way: RwSignal::new(Way::Password),
        secret: RwSignal::new(String::new()),
        failure: RwSignal::new(None),
        busy: RwSignal::new(false),
    };
    let code = query("code");
    let by_code = code.is_some();
    if let Some(code) = code {
        model.redeem(code);
    }
    view! {
        <main id="main" class="login" tabindex="-1">
            <div class="login-brand">{logo()} <h1>"Log in to Mantyx"</h1></div>
            {dynamic(move || model.failure.get().map(|failure| failure_notice(&failure)))}
            {dynamic(move || if by_code && model.busy.get() { view! { <p role="status" class="muted">"Checking the code of your link"</p> }.into_any() } else { form(model).into_any() })}
            <section class="login-help">
                <h2>"No password yet?"</h2>
                <p>
                    "Mantyx prints a link that logs you in when it starts for the first time. For another one, type this on its machine:"
                </p>
                <pre><code>"mantyx login-link"</code></pre>
            </section>
        </main>
    }
}

fn form(model: Model) -> impl IntoView {
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        model.submit();
    };
    view! {
        <form class="login-form" data-testid="login-form" on:submit=submit>
            {segmented(Segmented {
                name: "login-way",
                label: "With",
                help: "",
                choices: vec![
                    Choice { value: Way::Password, title: "Password", id: "login-way-password" },
                    Choice { value: Way::Token, title: "Access token", id: "login-way-token" },
                ],
                value: model.way.into(),
                change: Callback::new(move |way| model.way.set(way)),
            })}
            // For password managers: there is one user.
            <input type="text" name="username" autocomplete="username" value="admin" hidden />
            {dynamic(move || secret_field(model))}
            <button
                type="submit"
                class="button primary wide"
                data-testid="login-submit"
                aria-disabled=move || model.busy.get().to_string()
            >
                "Log in"
            </button>
        </form>
    }
}

fn secret_field(model: Model) -> impl IntoView {
    let (id, label, help) = match model.way.get() {
        Way::Password => ("login-password", "Password of admin", ""),
        Way::Token => (
            "login-token",
            "Access token",
            "The owner's is in `config/owner-token` below the folder of Mantyx.",
        ),
    };
    text_field(TextField {
        id,
        label,
        help,
        style: InputStyle::Secret,
        list: None,
        value: model.secret.into(),
        change: Callback::new(move |secret| {
            model.failure.set(None);
            model.secret.set(secret);
        }),
        error: Signal::stored(None),
    })
}

/// Where somebody wanted to go before they had to log in: a path of this page, nothing else.
fn next_address() -> String {
    query("next")
        .filter(|next| next.starts_with('/') && !next.starts_with("//"))
        .unwrap_or_else(|| "/".to_owned())
}

fn query(name: &str) -> Option<String> {
    let search = window().location().search().ok()?;
    web_sys::UrlSearchParams::new_with_str(&search).ok()?.get(name)
}
