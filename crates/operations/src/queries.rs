//! What can be read.

use mantyx_api_types::{
    AppFilter, AppView, DependenciesView, EventView, ExecutionView, LiveMessage, OperationView, Page,
    ReleaseView,
};
use mantyx_core::{AppId, AppName, Code, Error, ExecutionId, Result};
use mantyx_registry::tables::{apps, config_revisions, events, executions, instances, operations, releases};
use mantyx_registry::{Read, Version, views};
use mantyx_venv::{Lock, Source};

use crate::environment::Subject;
use crate::install::active_subject;
use crate::mantyx::Mantyx;

/// How many items a page has when nobody says.
const PAGE: u32 = 100;
/// How many items a page can have.
const LONGEST_PAGE: u32 = 500;

impl Mantyx {
    /// The version of everything that is read after this call, for a [`Memo`](crate::Memo).
    #[must_use]
    pub fn version(&self) -> Version {
        self.registry().version()
    }

    /// Apps that a filter lets through, by name.
    pub async fn apps(&self, filter: &AppFilter) -> Result<Page<AppView>> {
        let limit = limit(filter.limit)?;
        let one_more = usize::try_from(limit).unwrap_or_default().saturating_add(1);
        let filter = filter.clone();
        let items = self
            .registry()
            .read(move |db| {
                let mut rows = apps::list(db)?;
                rows.retain(|row| beyond(row, filter.cursor.as_deref()) && passes(row, &filter));
                // In which state they are is not known before all of them are read.
                if filter.state.is_none() {
                    rows.truncate(one_more);
                }
                let mut items = views::apps(db, &rows)?;
                items.retain(|view| filter.state.is_none_or(|state| view.state == state));
                Ok(items)
            })
            .await?;
        Ok(page(items, limit, |view| view.name.to_string()))
    }

    /// One app.
    pub async fn app(&self, name: &AppName) -> Result<AppView> {
        let name = name.clone();
        self.registry()
            .read(move |db| {
                let app = views::find_app_by_name(db, &name)?;
                views::app(db, &app)
            })
            .await
    }

    /// One app, and the revision of its configuration.
    pub async fn app_at_revision(&self, name: &AppName) -> Result<(AppView, u32)> {
        let name = name.clone();
        self.registry()
            .read(move |db| {
                let app = views::find_app_by_name(db, &name)?;
                let instance = instances::of_app(db, app.id.0)?;
                let revision = config_revisions::get(db, instance.revision_id.0)?.number;
                Ok((views::app(db, &app)?, u32::try_from(revision).unwrap_or_default()))
            })
            .await
    }

    /// The releases of an app, the newest first.
    pub async fn releases(&self, name: &AppName) -> Result<Page<ReleaseView>> {
        let name = name.clone();
        let items = self
            .registry()
            .read(move |db| {
                let app = views::find_app_by_name(db, &name)?;
                let instance = instances::of_app(db, app.id.0)?;
                let rows = releases::of_app(db, app.id.0)?;
                Ok(rows.into_iter().map(|row| views::release(row, &instance)).collect())
            })
            .await?;
        Ok(Page { items, next_cursor: None })
    }

    /// What an app depends on, and which of that its source asks for itself.
    pub async fn dependencies(&self, name: &AppName) -> Result<DependenciesView> {
        let (name, layout) = (name.clone(), self.layout().clone());
        let read = move |db: &mut Read<'_>| {
            let app = views::find_app_by_name(db, &name)?;
            let subject = active_subject(db, app.id.0, |number| layout.release(&name, number))?;
            Ok((views::dependencies(db, &app)?, subject))
        };
        self.registry().read_then(read, |(view, subject)| Ok(with_requirements(view, &subject))).await
    }

    /// Executions, the newest first.
    pub async fn executions(
        &self,
        app: Option<&AppName>,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<ExecutionView>> {
        let limit = self::limit(limit)?;
        let before: Option<ExecutionId> = parse_cursor(cursor)?;
        let app = self.id_of(app).await?;
        let rows =
            self.registry().read(move |db| executions::page(db, app, before, i64::from(limit) + 1)).await?;
        Ok(page(rows.into_iter().map(views::execution).collect(), limit, |view| view.id.to_string()))
    }

    /// One execution.
    pub async fn execution(&self, id: ExecutionId) -> Result<ExecutionView> {
        let row = self.registry().read(move |db| executions::find(db, id)).await?;
        row.map(views::execution).ok_or_else(|| Error::not_found("execution", id))
    }

    /// Operations, the newest first.
    pub async fn operations(
        &self,
        app: Option<&AppName>,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<OperationView>> {
        let limit = self::limit(limit)?;
        let before = parse_cursor(cursor)?;
        let app = self.id_of(app).await?;
        let items = self
            .registry()
            .read(move |db| {
                let rows = operations::page(db, app, before, i64::from(limit) + 1)?;
                rows.into_iter().map(|row| views::operation(db, row)).collect()
            })
            .await?;
        Ok(page(items, limit, |view: &OperationView| view.id.to_string()))
    }

    /// Events after a sequence, the oldest first.
    pub async fn events(&self, after: i64, limit: Option<u32>) -> Result<Page<EventView>> {
        let limit = self::limit(limit)?;
        let rows = self.registry().read(move |db| events::after(db, after, i64::from(limit) + 1)).await?;
        Ok(page(rows.into_iter().map(views::event).collect(), limit, |view| view.sequence.to_string()))
    }

    /// Events before a sequence, or all of them, the newest first.
    pub async fn newest_events(&self, before: Option<i64>, limit: Option<u32>) -> Result<Page<EventView>> {
        let limit = self::limit(limit)?;
        let rows = self.registry().read(move |db| events::before(db, before, i64::from(limit) + 1)).await?;
        Ok(page(rows.into_iter().map(views::event).collect(), limit, |view| view.sequence.to_string()))
    }

    /// Everything that a page starts from.
    pub async fn hello(&self) -> Result<LiveMessage> {
        let host = self.inner().host.now().await;
        self.registry()
            .read(move |db| {
                let rows = apps::list(db)?;
                let apps = views::apps(db, &rows)?;
                let rows = operations::all_under_way(db)?;
                let operations =
                    rows.into_iter().map(|row| views::operation(db, row)).collect::<Result<_>>()?;
                let version = env!("CARGO_PKG_VERSION").to_owned();
                Ok(LiveMessage::Hello { version, apps, operations, host })
            })
            .await
    }

    async fn id_of(&self, app: Option<&AppName>) -> Result<Option<AppId>> {
        match app {
            Some(name) => Ok(Some(self.find(name).await?.id.0)),
            None => Ok(None),
        }
    }
}

/// Says beside each package what asks for it. A source that cannot be read, or does not say, leaves that open.
fn with_requirements(mut view: DependenciesView, subject: &Subject) -> DependenciesView {
    let (entrypoint, digest) = (&subject.configuration.entrypoint, &subject.release.found.0.digest);
    let declared = Source::read(&subject.source, entrypoint, digest).and_then(|source| source.declared());
    let lock = subject.release.lock.as_deref().map(Lock::parse);
    let (Ok(Some(declared)), Some(Ok(lock))) = (declared, lock) else { return view };
    for package in &mut view.installed {
        let locked = lock.packages().iter().find(|locked| locked.name == package.name);
        let asking = locked.and_then(|locked| declared.iter().find(|asked| asked.is(locked)));
        package.requirement = asking.map(|asked| asked.requirement.clone());
    }
    view
}

fn beyond(app: &apps::App, cursor: Option<&str>) -> bool {
    cursor.is_none_or(|cursor| app.name.0.as_str() > cursor)
}

/// Whether a filter lets an app through, whatever its state.
fn passes(app: &apps::App, filter: &AppFilter) -> bool {
    let text = |text: &String| {
        let wanted = text.to_lowercase();
        [app.name.0.as_str(), &app.display_name, &app.description]
            .iter()
            .any(|field| field.to_lowercase().contains(&wanted))
    };
    filter.r#type.is_none_or(|app_type| app.app_type.0 == app_type)
        && filter.tag.as_ref().is_none_or(|tag| app.tags.0.contains(tag))
        && filter.text.as_ref().is_none_or(text)
}

pub(crate) fn limit(asked: Option<u32>) -> Result<u32> {
    match asked.unwrap_or(PAGE) {
        limit @ 1..=LONGEST_PAGE => Ok(limit),
        other => {
            let detail = format!("A page has 1 to {LONGEST_PAGE} items, not {other}");
            Err(Error::new(Code::Malformed, detail).hint("Give a smaller `limit` and follow `next_cursor`"))
        }
    }
}

pub(crate) fn parse_cursor<T: std::str::FromStr>(cursor: Option<&str>) -> Result<Option<T>> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            Error::new(Code::Malformed, format!("`{text}` is not a cursor"))
                .hint("Give back what `next_cursor` said")
        })
    };
    cursor.map(parse).transpose()
}

/// One item more than asked for was read, to know whether there is a next page.
pub(crate) fn page<T>(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or_default();
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(cursor);
    Page { items, next_cursor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_with_the_last_item_it_shows() {
        let full = page(vec![1, 2, 3], 2, ToString::to_string);
        assert_eq!((full.items, full.next_cursor), (vec![1, 2], Some("2".to_owned())));
        let last = page(vec![1, 2], 2, ToString::to_string);
        assert_eq!(last.next_cursor, None);
    }

    #[test]
    fn a_page_has_a_size() {
        assert_eq!(limit(None).unwrap(), PAGE);
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(501)).is_err());
    }
}
