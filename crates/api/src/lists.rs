//! The list of apps as it was written last. Everybody who looks at Mantyx asks for it again and again, and between two
//! changes the answer is the same bytes.
//!
//! What holds an answer is the [`Memo`]: no answer outlives a change that somebody was told of. It also ends by itself
//! when the next run that it tells of is due.

use std::future::Future;

use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use mantyx_api_types::{AppFilter, AppView, Page};
use mantyx_core::{Error, Result};
use mantyx_operations::{Mantyx, Memo, Version};

use crate::access::Place;
use crate::query::Query;
use crate::revision::{digest_of, is_had, not_modified, quoted};

/// How many different pages are kept, and how many bytes of them unless one alone has more.
const MOST: usize = 64;
const MOST_BYTES: usize = 4 << 20;

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
        if let Some(list) = self.0.get(version, key.as_str(), List::is_good) {
            return Ok(list.answer(request.headers()));
        }
        let Query(filter) = Query::read(text)?;
        let list = self.work_out(version, key, List::read(mantyx, place, &filter)).await?;
        Ok(list.answer(request.headers()))
    }

    async fn work_out(
        &self,
        version: Version,
        key: String,
        reading: impl Future<Output = Result<List>>,
    ) -> Result<List> {
        let list = self.0.work_out(version, key.clone(), List::is_good, reading).await?;
        self.0.lighten(key.as_str(), MOST_BYTES, |list| list.body.len());
        Ok(list)
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
        Ok(Self { tag: quoted(&digest_of(&body))?, body: body.into_boxed_slice().into(), until })
    }

    fn is_good(&self) -> bool {
        self.until.is_none_or(|until| Utc::now() < until)
    }

    fn answer(self, headers: &HeaderMap) -> HttpResponse {
        let Self { body, tag, .. } = self;
        if is_had(headers, &tag) {
            return not_modified(tag);
        }
        HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).insert_header((ETAG, tag)).body(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn long_pages_give_way_to_each_other_and_one_alone_is_kept() {
        let (lists, version) = (Lists::default(), Version::default());
        let read = async |key: &str, length: usize| {
            let list = List { body: vec![b' '; length].into(), tag: JSON, until: None };
            lists.work_out(version, key.to_owned(), async { Ok(list) }).await.unwrap();
            ["a", "b", "c", "d"].map(|key| lists.0.get(version, key, List::is_good).is_some())
        };
        assert_eq!(read("a", MOST_BYTES / 2).await, [true, false, false, false]);
        assert_eq!(read("b", MOST_BYTES / 2).await, [true, true, false, false]);
        assert_eq!(read("c", 1).await, [false, false, true, false]);
        assert_eq!(read("d", MOST_BYTES + 1).await, [false, false, false, true]);
    }
}
