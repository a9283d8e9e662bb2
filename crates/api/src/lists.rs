//! The list of apps as it was written last. Everybody who looks at Mantyx asks for it again and again, and between two
//! changes the answer is the same bytes.
//!
//! What holds an answer is the [`Memo`]: no answer outlives a change that somebody was told of. It also ends by itself
//! when the next run that it tells of is due.

use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use mantyx_api_types::{AppFilter, AppView, Page};
use mantyx_core::{Error, Result};
use mantyx_operations::{Mantyx, Memo};

use crate::access::Place;
use crate::query::Query;
use crate::revision::{digest_of, is_had, not_modified, quoted};

/// How many different pages are kept.
const MOST: usize = 64;

/// The media type of every answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The pages that were asked for since the last change, by the query and by where they were asked.
#[derive(Default)]
pub(crate) struct Lists(Memo<String, List, MOST>);

/// A page as it is sent.
#[derive(Clone)]
struct List {
    body: Bytes,
    /// In quotes.
    tag: HeaderValue,
    /// When it says something that has become wrong.
    until: Option<DateTime<Utc>>,
}

impl Lists {
    /// The page of apps that a request asks for.
    pub(crate) async fn apps(
        &self,
        mantyx: &Mantyx,
        place: &Place,
        request: &HttpRequest,
    ) -> Result<HttpResponse> {
        let text = request.query_string();
        let (version, key) = (mantyx.version(), format!("{} {text}", place.host()));
        let good = |list: &List| list.until.is_none_or(|until| Utc::now() < until);
        if let Some(list) = self.0.get(version, key.as_str(), good) {
            return Ok(list.answer(request.headers()));
        }
        let Query(filter) = Query::read(text)?;
        let list = self.0.work_out(version, key, good, List::read(mantyx, place, &filter)).await?;
        Ok(list.answer(request.headers()))
    }
}

impl List {
    async fn read(mantyx: &Mantyx, place: &Place, filter: &AppFilter) -> Result<Self> {
        let mut page = mantyx.apps(filter).await?;
        page.items.iter_mut().for_each(|app| place.link(app));
        Self::of(&page)
    }

    fn of(page: &Page<AppView>) -> Result<Self> {
        let body =
            serde_json::to_vec(page).map_err(|error| Error::internal("write the list of apps", error))?;
        let until = page.items.iter().filter_map(|app| app.next_run).min();
        Ok(Self { tag: quoted(&digest_of(&body))?, body: body.into(), until })
    }

    fn answer(self, headers: &HeaderMap) -> HttpResponse {
        let Self { body, tag, .. } = self;
        if is_had(headers, &tag) {
            return not_modified(tag);
        }
        HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).insert_header((ETAG, tag)).body(body)
    }
}
