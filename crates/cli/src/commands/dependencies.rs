//! The packages of an app, and which of them are not the newest.

use mantyx_api_types::{DependenciesView, OutdatedPackage};

use super::Session;
use crate::arguments::DependenciesArgs;
use crate::failure::Result;
use crate::tables;

pub(super) async fn list(what: DependenciesArgs, session: Session) -> Result<()> {
    let path = format!("/api/apps/{}/dependencies", what.app);
    if what.outdated {
        let path = format!("{path}/outdated");
        let packages: Vec<OutdatedPackage> = session.client.list(&path, &[], usize::MAX).await?;
        return session.output.show(&packages, |packages| tables::outdated(&what.app, packages));
    }
    let view: DependenciesView = session.client.get(&path, &[]).await?;
    session.output.show(&view, tables::dependencies)
}
