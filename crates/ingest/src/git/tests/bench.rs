//! A repository and a staging folder. libgit2 makes the repository: no program `git` is needed for it, and none that
//! a variable of the environment, as hooks have them, could lead to another repository.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use git2::build::TreeUpdateBuilder;
use git2::{Error, FileMode, ObjectType, Oid, RepositoryInitOptions, Signature};
use mantyx_core::{RelativePath, Result};

use super::super::address::Address;
use super::super::*;

/// What a commit makes of a path.
pub(super) enum Becomes<'a> {
    File(&'a str),
    Executable(&'a str),
    LinkTo(&'a str),
    /// Another repository, at a commit.
    Submodule(&'a str),
    Nothing,
}

/// A repository as a person has it, though without a file of it checked out.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
}

impl Bench {
    /// Two commits on `main`, the first with the tag `v1.2.0`, and a branch `next` with a folder of its own.
    pub(super) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.path("staging")).unwrap();
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main").external_template(false);
        Repository::init_opts(bench.repository(), &options).unwrap();
        bench.commit("main", &[("main.py", Becomes::File("print('one')\n"))]);
        bench.tag("v1.2.0").unwrap();
        bench.commit("main", &[("main.py", Becomes::File("print('two')\n"))]);
        bench.commit("next", &[("sub/app.py", Becomes::File("print('next')\n"))]);
        bench
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.path("tool")
    }

    /// How it is reached without any server.
    pub(super) fn peer(&self) -> Peer {
        Peer {
            address: Address::parse(&self.url()).unwrap(),
            credential: None,
            reach: Reach::ThisMachine,
            ssh: None,
        }
    }

    /// Merges a branch into another one, with the files of the latter.
    pub(super) fn merge(&self, branch: &str, other: &str) {
        let repository = Repository::open(self.repository()).unwrap();
        let tip = |name: &str| {
            let branch = repository.find_branch(name, git2::BranchType::Local).unwrap();
            branch.into_reference().peel_to_commit().unwrap()
        };
        let (into, from, who) = (tip(branch), tip(other), somebody().unwrap());
        let name = format!("refs/heads/{branch}");
        repository
            .commit(Some(&name), &who, &who, "A merge", &into.tree().unwrap(), &[&into, &from])
            .unwrap();
    }

    /// A branch begins anew, as after somebody has rewritten it.
    pub(super) fn point(&self, branch: &str, to: &str) {
        let repository = Repository::open(self.repository()).unwrap();
        let name = format!("refs/heads/{branch}");
        repository.reference(&name, Oid::from_str(to).unwrap(), true, "test").unwrap();
    }

    pub(super) fn url(&self) -> String {
        format!("file://{}", self.repository().display())
    }

    /// Commits to a branch; a new one begins at the newest commit of `main`.
    pub(super) fn commit(&self, branch: &str, changes: &[(&str, Becomes<'_>)]) {
        self.try_commit(&format!("refs/heads/{branch}"), changes).unwrap();
    }

    fn try_commit(&self, branch: &str, changes: &[(&str, Becomes<'_>)]) -> Result<(), Error> {
        let repository = Repository::open(self.repository())?;
        let tip = repository.find_reference(branch).or_else(|_| repository.head());
        let parent = tip.and_then(|tip| tip.peel_to_commit()).ok();
        let mut update = TreeUpdateBuilder::new();
        for (path, becomes) in changes {
            let (text, mode) = match becomes {
                Becomes::File(text) => (text, FileMode::Blob),
                Becomes::Executable(text) => (text, FileMode::BlobExecutable),
                Becomes::LinkTo(target) => (target, FileMode::Link),
                Becomes::Submodule(id) => {
                    update.upsert(*path, Oid::from_str(id)?, FileMode::Commit);
                    continue;
                }
                Becomes::Nothing => {
                    update.remove(*path);
                    continue;
                }
            };
            update.upsert(*path, repository.blob(text.as_bytes())?, mode);
        }
        let before = match &parent {
            Some(parent) => parent.tree()?,
            None => repository.find_tree(repository.treebuilder(None)?.write()?)?,
        };
        let tree = repository.find_tree(update.create_updated(&repository, &before)?)?;
        let (who, parents) = (somebody()?, parent.iter().collect::<Vec<_>>());
        repository.commit(Some(branch), &who, &who, "A change", &tree, &parents).map(drop)
    }

    /// A tag with a message of its own, at the newest commit of `main`; one that is there is moved.
    pub(super) fn tag(&self, name: &str) -> Result<(), Error> {
        let repository = Repository::open(self.repository())?;
        let newest = repository.head()?.peel(ObjectType::Commit)?;
        repository.tag(name, &newest, &somebody()?, "A version", true).map(drop)
    }

    /// The id of what a name means.
    pub(super) fn id(&self, name: &str) -> String {
        let repository = Repository::open(self.repository()).unwrap();
        let found = repository.revparse_single(name).unwrap();
        found.id().to_string()
    }

    pub(super) fn request(&self, reference: Option<&str>, subdir: Option<&str>) -> GitRequest {
        GitRequest {
            reference: reference.map(str::to_owned),
            subdir: subdir.map(|subdir| RelativePath::parse(subdir).unwrap()),
            ..GitRequest::new(self.url())
        }
    }

    pub(super) fn fetch(&self, reference: Option<&str>, subdir: Option<&str>) -> Result<Staged> {
        self.fetch_within(Reach::ThisMachine, &self.request(reference, subdir), &Limits::default())
    }

    pub(super) fn fetch_within(&self, reach: Reach, request: &GitRequest, limits: &Limits) -> Result<Staged> {
        git(request, reach, &self.path("staging"), limits, &AtomicBool::new(false))
    }

    /// Fetches from an address that a person could not give, with a program that stands for `ssh`.
    pub(super) fn fetch_from(
        &self,
        address: Address,
        reference: Option<&str>,
        ssh: Option<PathBuf>,
    ) -> Result<Staged> {
        let peer = Peer { address, credential: None, reach: Reach::ThisMachine, ssh };
        self.fetch_as(peer, &self.request(reference, None))
    }

    pub(super) fn fetch_as(&self, peer: Peer, request: &GitRequest) -> Result<Staged> {
        let (staging, limits) = (self.path("staging"), Limits::default());
        Fetch { request, peer, staging: &staging, limits: &limits }.run(&AtomicBool::new(false))
    }

    /// Looks for what is new since a commit, at most five of it.
    pub(super) fn check(&self, peer: &Peer, reference: Option<&str>, since: &str) -> Result<Ahead> {
        let since = Since { commit: since, most: 5 };
        let (limits, cancel) = (Limits::default(), AtomicBool::new(false));
        let ahead = check::check_at(peer, reference, since, &self.path("staging"), &limits, &cancel);
        assert_eq!(self.left(), 0, "nothing is left");
        ahead
    }

    pub(super) fn left(&self) -> usize {
        fs::read_dir(self.path("staging")).unwrap().count()
    }
}

fn somebody() -> Result<Signature<'static>, Error> {
    Signature::now("Test", "test@localhost")
}
