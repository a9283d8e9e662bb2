//! What could not be reached: an index, a repository, an archive, or the cache when there is no network.

use mantyx_core::Error;

use super::{Said, failed, last_words, no_space};

/// The words of uv for an address that it cannot reach.
const NOT_REACHED: &[&str] = &["error sending request for url", "client error (Connect)"];
/// Its words, and those of Mantyx for pip, where the network is off.
const SWITCHED_OFF: &[&str] =
    &["network was disabled", "etwork connectivity is disabled", "Without a network the environment"];

/// Reads the output of uv when it could not fetch a Python: why, in a few words.
pub(crate) fn explain_fetch(output: &str) -> Error {
    let said = Said::new(output);
    let address = said.between("Failed to download `", "`").map(|address| format!("`{address}`"));
    if said.has(NOT_REACHED) {
        let address = address.unwrap_or_else(|| "the place where uv gets Pythons".into());
        return failed(format!("{address} cannot be reached"), "See that this machine has a network");
    }
    no_space(&said).or_else(|| no_certificate(&said)).unwrap_or_else(|| last_words(output))
}

pub(super) fn no_certificate(said: &Said<'_>) -> Option<Error> {
    said.has(&["invalid peer certificate", "CERTIFICATE_VERIFY_FAILED", "certificate verify failed"]).then(|| {
        failed(
            format!("The certificate of the package index{} is not trusted", address(said)),
            "Where a proxy has a certificate of its own, add it to the machine's, or set SSL_CERT_FILE and PIP_CERT",
        )
    })
}

pub(super) fn no_network(said: &Said<'_>) -> Option<Error> {
    let uv = said.has(NOT_REACHED);
    let pip = said.has(&["Retrying (Retry(total=0", "HTTPSConnectionPool(", "HTTPConnectionPool("])
        && said.has(&["(from versions: none)", "Max retries exceeded", "Read timed out"]);
    (uv || pip).then(|| {
        failed(
            format!("The package index{} cannot be reached", address(said)),
            "See that this machine has a network, and that its proxy and index settings are right",
        )
    })
}

/// The address that failed, where it was said.
fn address(said: &Said<'_>) -> String {
    let address = said.word("Failed to fetch: ").or_else(|| said.word("Looking in indexes: "));
    address.map(|address| format!(" (`{address}`)")).unwrap_or_default()
}

/// uv may take nothing but its cache, and does not find all of it there.
pub(super) fn not_cached(said: &Said<'_>) -> Option<Error> {
    if !said.has(SWITCHED_OFF) {
        return None;
    }
    let index = said.between("and you require ", ", we can conclude");
    let archive = || said.between("Failed to download `", "`");
    let repository = || said.between("Updating ", " (");
    let requirement = index.or_else(archive).or_else(repository).unwrap_or("a package");
    let builds = said.between("Failed to build `", "`").and_then(|text| text.split(" @ file:").next());
    let whom = builds.map(|name| format!(", which is needed to build `{name}`")).unwrap_or_default();
    Some(failed(
        format!(
            "Without a network the environment cannot be built: `{requirement}` is not in the cache{whom}"
        ),
        "Build it once with a network; from then on the cache has it",
    ))
}

/// An index that answers, but not as it should.
pub(super) fn broken_index(said: &Said<'_>) -> Option<Error> {
    let uv = said.between("HTTP status server error (", ")");
    let pip =
        || said.between("too many ", " error responses").filter(|_| said.has(&["(from versions: none)"]));
    let status = uv.or_else(pip)?;
    Some(failed(
        format!("The package index{} answers with an error ({status})", address(said)),
        "Try again later, or see with whoever runs it",
    ))
}

/// An index that wants to know who asks. pip says so in its log alone.
pub(super) fn closed_index(said: &Said<'_>) -> Option<Error> {
    let statuses = ["401 Unauthorized", "403 Forbidden", "401 Client Error", "403 Client Error"];
    let status = statuses.iter().find(|status| said.has(&[status]))?.split(' ').next()?;
    let uv = said.between("An index URL (", ")").or_else(|| said.between("An index (", ")"));
    let index = uv.map_or_else(|| address(said), |address| format!(" (`{address}`)"));
    let requirement = said.between("Because ", " was not found in the package registry");
    let requirement = requirement.or_else(|| said.word("No matching distribution found for "));
    let whom = requirement.map(|name| format!(" for `{name}`")).unwrap_or_default();
    Some(failed(
        format!("The package index{index} refuses to answer{whom} ({status}): it wants other credentials"),
        "Give Mantyx's user the index with a name and a password, in `pip.conf` or `~/.netrc`",
    ))
}

/// A repository that git could not fetch from.
pub(super) fn no_repository(said: &Said<'_>) -> Option<Error> {
    if !said.has(&["Git operation failed", "× git ", "git clone ", "git fetch "]) {
        return None;
    }
    let reason =
        said.lines.iter().rev().find_map(|line| line.split_once("fatal: ")).map(|(_, reason)| reason)?;
    let uv = said.between("Failed to download and build `", "`").or_else(|| said.between("Updating ", " ("));
    let pip = || said.between("Collecting ", " (from").or_else(|| said.word("Cloning "));
    let requirement = uv.or_else(pip).unwrap_or("a repository");
    Some(failed(
        format!("The repository of `{requirement}` cannot be fetched: {reason}"),
        "Check the address and the reference, and that this machine may read it",
    ))
}

/// An archive that is named by its address, and is not there.
pub(super) fn no_download(said: &Said<'_>) -> Option<Error> {
    let uv = said.between("HTTP status client error (", ")").zip(said.between("Failed to download `", "`"));
    let pip = || {
        let status = said.between("HTTP error ", " for url")?.replace("Client Error: ", "");
        let requirement = said.between("Could not install requirement ", " from ")?;
        Some((status, requirement))
    };
    let (status, requirement) = uv.map(|(status, name)| (status.to_owned(), name)).or_else(pip)?;
    Some(failed(
        format!("`{requirement}` cannot be downloaded ({status})"),
        "Check its address, and that this machine may read it",
    ))
}
