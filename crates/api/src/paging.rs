//! Pages of short lists, which are read whole: they are put into an order that does not change between two pages,
//! and cut where the page before ended.

use mantyx_api_types::Page;
use mantyx_core::{Code, Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// The most items of a page, and how many it has when nobody says.
const LARGEST: u32 = 500;

/// Which part of a short list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// At most this many, 1 to 500; 500 when not given.
    pub(crate) limit: Option<u32>,
    /// Where the page before this one ended.
    pub(crate) cursor: Option<String>,
}

/// The page that is asked for, in the order of `key`, which is different for each item. An item that is gone by now
/// is no reason to lose the place: the page begins with the first one behind it.
pub(crate) fn page<T, K: Ord + Serialize + DeserializeOwned>(
    list: Page<T>,
    query: &PageQuery,
    key: impl Fn(&T) -> K,
) -> Result<Page<T>> {
    let limit = limit(query.limit)?;
    let after: Option<K> = query.cursor.as_deref().map(place_of).transpose()?;
    let mut items = list.items;
    items.retain(|item| after.as_ref().is_none_or(|after| key(item) > *after));
    items.sort_by_cached_key(&key);
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| cursor_of(&key(last))).transpose()?;
    Ok(Page { items, next_cursor })
}

fn limit(asked: Option<u32>) -> Result<usize> {
    match asked.unwrap_or(LARGEST) {
        limit @ 1..=LARGEST => Ok(usize::try_from(limit).unwrap_or_default()),
        other => {
            let detail = format!("A page has 1 to {LARGEST} items, not {other}");
            Err(Error::new(Code::Malformed, detail).hint("Give a smaller `limit` and follow `next_cursor`"))
        }
    }
}

/// Nobody should read anything into a cursor, so it does not look like something to read.
fn cursor_of(key: &impl Serialize) -> Result<String> {
    serde_json::to_vec(key).map(hex::encode).map_err(|error| Error::internal("write a cursor", error))
}

fn place_of<K: DeserializeOwned>(cursor: &str) -> Result<K> {
    let json = hex::decode(cursor).unwrap_or_default();
    serde_json::from_slice(&json).map_err(|_| {
        Error::new(Code::Malformed, format!("`{cursor}` is not a cursor"))
            .hint("Give back what `next_cursor` said")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;

    fn cut(items: &[u8], limit: u32, cursor: Option<String>) -> Page<u8> {
        let query = PageQuery { limit: Some(limit), cursor };
        page(Page { items: items.to_vec(), next_cursor: None }, &query, |item| Reverse(*item)).unwrap()
    }

    #[test]
    fn pages_together_are_the_list_in_its_order() {
        for limit in 1..=4 {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = cut(&[2, 4, 1, 3], limit, cursor);
                seen.extend(page.items);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, [4, 3, 2, 1], "{limit}");
        }
    }

    #[test]
    fn what_went_or_came_in_between_does_not_lose_the_place() {
        let first = cut(&[1, 2, 3, 4], 2, None);
        assert_eq!(first.items, [4, 3]);
        assert_eq!(cut(&[1, 2, 4, 5], 2, first.next_cursor).items, [2, 1]);
    }

    #[test]
    fn what_is_no_page_is_malformed() {
        let refused = |limit, cursor: Option<&str>| {
            let query = PageQuery { limit, cursor: cursor.map(str::to_owned) };
            page(Page { items: vec![1], next_cursor: None }, &query, |item| *item).unwrap_err().code()
        };
        for limit in [0, 501] {
            assert_eq!(refused(Some(limit), None), Code::Malformed);
        }
        for cursor in ["", "x", "zz", "7b7d"] {
            assert_eq!(refused(None, Some(cursor)), Code::Malformed, "{cursor}");
        }
    }
}
