//! Sentences that stand out: what failed, why, and what to do about it.

use leptos::prelude::*;

use super::dynamic::IntoViews;
use super::icon::{Icon, icon};
use crate::api::Failure;
use crate::text::prose::{Piece, pieces};

/// A sentence of the API, its names set as machines write them.
pub(crate) fn prose(sentence: &str) -> impl IntoView + use<> {
    pieces(sentence)
        .into_iter()
        .map(|piece| match piece {
            Piece::Words(words) => words.into_any(),
            Piece::Code(code) => view! { <code>{code}</code> }.into_any(),
        })
        .into_views()
}

/// What failed, and what to do about it.
pub(crate) fn notice(detail: &str, hint: Option<&str>) -> impl IntoView + use<> {
    view! {
        <div class="notice" role="alert" data-testid="notice">
            {icon(Icon::Alert)}
            <div>
                <p class="notice-detail">{prose(detail)}</p>
                {hint.map(|hint| view! { <p class="notice-hint">{prose(hint)}</p> })}
            </div>
        </div>
    }
}

/// The failure of a form: what is wrong with a field stands there, so that here it is only pointed at.
pub(crate) fn form_notice(failure: &Failure) -> AnyView {
    match failure.fields().len() {
        0 => failure_notice(failure).into_any(),
        1 => notice("One field is not right yet: it says why", None).into_any(),
        _ => notice("Some fields are not right yet: each says why", None).into_any(),
    }
}

/// The failure of a call, with the entry of the archive that it is about.
pub(crate) fn failure_notice(failure: &Failure) -> impl IntoView + use<> {
    let detail = match failure.entry() {
        Some(entry) if !failure.detail().contains(&entry) => {
            format!("{}: `{entry}`", failure.detail())
        }
        _ => failure.detail(),
    };
    notice(&detail, failure.hint().as_deref())
}
