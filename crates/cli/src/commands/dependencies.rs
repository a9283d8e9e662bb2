//! The packages of an app, and which of them are not the newest.

use mantyx_api_types::{DependenciesView, OutdatedPackage, Page};

use super::Session;
use crate::arguments::DependenciesArgs;
use crate::failure::Result;
use crate::tables;

pub(super) async fn list(what: DependenciesArgs, session: Session) -> Result<()> {
    let path = format!("/api/apps/{}/dependencies", what.app);
    if what.outdated {
        let page: Page<OutdatedPackage> = session.client.get(&format!("{path}/outdated"), &[]).await?;
        return session.output.show(&page.items, |packages| tables::outdated(&what.app, packages));
    }
    let view: DependenciesView = session.client.get(&path, &[]).await?;
    session.output.show(&view, tables::dependencies)
}
