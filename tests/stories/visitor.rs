//! Somebody who visits the pages of apps.

use reqwest::Client;

/// Goes to where a page is, whatever proxy this machine knows for the rest of the world.
pub(crate) fn visitor() -> Client {
    Client::builder().no_proxy().build().unwrap()
}
