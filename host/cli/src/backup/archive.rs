//! The archive itself: a tar file, compressed by zstd, with `backup.json` before all else. Written and read as a stream, so that
//! memory doesn't grow with the site.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use cap_std::fs::{Dir, PermissionsExt};
use host_core::text::one_line;
use tar::{Archive, Builder, Entry, EntryType, Header};
use zstd::{Decoder, Encoder};

use super::manifest::{self, MAX_BYTES, MAX_PATH, Manifest, Part, SITE};
use super::work::{BUFFER, Hashing, Work};

/// zstd's own default: beyond it each step costs more time than it saves space.
const LEVEL: i32 = 3;
/// What a file that zstd compressed begins with (RFC 8878, section 3.1.1).
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Zeros that may follow the last file: tar fills its blocks up.
const MAX_FILLING: u64 = 1 << 20;

/// A file that isn't what it was when it was listed.
#[derive(Debug, thiserror::Error)]
#[error("{0} changes while it is read")]
pub(crate) struct Changed(pub(crate) String);

/// Where the parts of an archive come from.
pub(crate) struct Sources<'a> {
    /// The site's folder.
    pub(crate) site: &'a Dir,
    /// The folder with the copies of databases, under the names of their parts with `-` for `/`.
    pub(crate) databases: &'a Dir,
}

impl Sources<'_> {
    /// Opens what a part is made of.
    pub(crate) fn open(&self, part: &str) -> Result<File> {
        let (dir, name) = match part.strip_prefix(SITE) {
            Some(path) => (self.site, path.to_owned()),
            None => (self.databases, copy_name(part)),
        };
        let opened = match dir.open(&name) {
            // Somebody removed it since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(Changed(one_line(&name, 300))),
            opened => opened.with_context(|| format!("can't read {}", one_line(&name, 300)))?,
        };
        Ok(opened.into_std())
    }
}

/// The name of a database's copy while the archive is made.
pub(crate) fn copy_name(part: &str) -> String {
    part.replace('/', "-")
}

/// Writes a whole archive. Fails with [`Changed`] where a source isn't what the manifest says.
pub(crate) fn write(out: &File, manifest: &Manifest, sources: &Sources<'_>, work: &Work) -> Result<()> {
    let bar = work.bar("Packing", manifest.bytes());
    let mut encoder = Encoder::new(BufWriter::with_capacity(1 << 20, out), LEVEL)?;
    encoder.include_checksum(true)?;
    let mut builder = Builder::new(encoder);
    let json = serde_json::to_vec_pretty(manifest).context("writing the manifest")?;
    ensure!(json.len() as u64 <= MAX_BYTES, "the list of the site's files is longer than {MAX_BYTES} bytes");
    let made = u64::try_from(manifest.made.as_second()).unwrap_or_default();
    builder.append_data(&mut header(json.len() as u64, 0o600, made), manifest::NAME, &json[..])?;
    for part in &manifest.parts {
        let changed = || Changed(one_line(part.of_site().unwrap_or(&part.path), 300));
        let file = sources.open(&part.path)?;
        let metadata = file.metadata()?;
        ensure!(metadata.is_file() && metadata.len() >= part.bytes, changed());
        let (mode, time) = if part.of_site().is_some() {
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
            (mode & 0o777, modified.map_or(made, |time| time.as_secs()))
        } else {
            (0o600, made)
        };
        // What was added to its end since isn't in the list.
        let mut content = BufReader::with_capacity(BUFFER, Hashing::new(file.take(part.bytes), &bar));
        builder.append_data(&mut header(part.bytes, mode, time), &part.path, &mut content)?;
        let (bytes, hash) = content.into_inner().end();
        ensure!(bytes == part.bytes && hash == part.sha256, changed());
    }
    let mut out = builder.into_inner()?.finish()?;
    out.flush()?;
    Ok(())
}

fn header(bytes: u64, mode: u32, modified: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(mode);
    header.set_mtime(modified);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// What a file looks like besides its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// The bits for the owner, the group and others.
    pub(crate) mode: u32,
    /// When it was last changed, in seconds since 1970.
    pub(crate) modified: u64,
}

/// Reads an archive to its end and returns its manifest, which must be `expected` if one is. Each part's content goes to `take`;
/// that it is the right one is known when this returns.
///
/// Fails where anything isn't as it must be: a file too many or too few, another size or hash, something that is no plain
/// file, an end that comes early or late. No more is ever read for a part than the manifest says it has.
pub(crate) fn read(
    file: &File,
    verb: &str,
    work: &Work,
    expected: Option<&Manifest>,
    take: impl FnMut(&Part, Look, &mut dyn Read) -> Result<()>,
) -> Result<Manifest> {
    read_through(file, verb, work, expected, take).map_err(|error| {
        // zstd's words for it say nothing to an operator.
        let cut = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
        if cut { anyhow::anyhow!(CUT) } else { error }
    })
}

fn read_through(
    file: &File,
    verb: &str,
    work: &Work,
    expected: Option<&Manifest>,
    mut take: impl FnMut(&Part, Look, &mut dyn Read) -> Result<()>,
) -> Result<Manifest> {
    let mut input = BufReader::with_capacity(1 << 20, file);
    ensure!(
        input.fill_buf()?.starts_with(&MAGIC),
        "it is nothing that bandstand made: it doesn't begin like a .tar.zst"
    );
    let decoder = Decoder::with_buffer(input)?.single_frame();
    let mut archive = Archive::new(decoder);
    let manifest = {
        let mut entries = Entries { entries: archive.entries()?.raw(true) };
        let (path, first) = entries.next()?.context(NOTHING)?;
        ensure!(path == manifest::NAME, "it begins with `{}`, which no backup does", one_line(&path, 300));
        ensure!(first.size() <= MAX_BYTES, "its {} has more than {MAX_BYTES} bytes", manifest::NAME);
        let (size, mut json) = (first.size(), Vec::new());
        { first }.read_to_end(&mut json)?;
        ensure!(json.len() as u64 == size, CUT);
        let manifest = Manifest::read(&json)?;
        ensure!(expected.is_none_or(|expected| *expected == manifest), "it was changed since it was checked");
        let bar = work.bar(verb, manifest.bytes());
        for part in &manifest.parts {
            let wanted = || format!("`{}`", one_line(&part.path, 300));
            let Some((path, entry)) = entries.next()? else { bail!("{} is missing from it", wanted()) };
            ensure!(
                path == part.path,
                "it holds `{}` where {} should come, as its {} says",
                one_line(&path, 300),
                wanted(),
                manifest::NAME
            );
            let size = entry.size();
            ensure!(size == part.bytes, "{} has {size} bytes instead of {}", wanted(), part.bytes);
            let look = Look { mode: entry.header().mode()?, modified: entry.header().mtime()? };
            let mut content = Hashing::new(entry, &bar);
            take(part, look, &mut content).with_context(wanted)?;
            let (bytes, hash) = content.drained()?;
            ensure!(bytes == part.bytes, CUT);
            ensure!(hash == part.sha256, "{} isn't what was backed up: its SHA-256 is another", wanted());
        }
        if let Some((path, _)) = entries.next()? {
            bail!("it holds `{}`, which its {} doesn't know", one_line(&path, 300), manifest::NAME);
        }
        manifest
    };
    // Up to the end, where zstd's own checksum stands.
    let mut decoder = archive.into_inner();
    let mut filling = Vec::new();
    decoder.by_ref().take(MAX_FILLING + 1).read_to_end(&mut filling)?;
    ensure!(filling.len() as u64 <= MAX_FILLING && filling.iter().all(|byte| *byte == 0), BEYOND);
    decoder.finish_frame()?;
    ensure!(decoder.into_inner().fill_buf()?.is_empty(), BEYOND);
    Ok(manifest)
}

const NOTHING: &str = "there is nothing in it";
const CUT: &str = "it ends too early: it was cut off; copy it anew from where it was made, or take another one";
const BEYOND: &str = "something follows its end";

/// The entries as they stand there: tar's means for long names and the like are read into memory whole by those who
/// follow them, so all but the one that is needed are refused.
struct Entries<'a, R: Read> {
    entries: tar::Entries<'a, R>,
}

impl<'a, R: Read> Entries<'a, R> {
    /// The next plain file with its path.
    fn next(&mut self) -> Result<Option<(String, Entry<'a, R>)>> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        let mut entry = entry?;
        if entry.header().entry_type() != EntryType::GNULongName {
            let path = entry.path_bytes().into_owned();
            return Ok(Some((plain(&entry, path)?, entry)));
        }
        // The name comes with its NUL.
        let most = (MAX_PATH + SITE.len() + 1) as u64;
        ensure!(entry.size() <= most, "it holds a path of more than {MAX_PATH} bytes");
        let mut path = Vec::new();
        entry.read_to_end(&mut path)?;
        ensure!(path.len() as u64 == entry.size(), CUT);
        while path.last() == Some(&0) {
            path.pop();
        }
        let entry = self.entries.next().context(CUT)??;
        Ok(Some((plain(&entry, path)?, entry)))
    }
}

fn plain<R: Read>(entry: &Entry<'_, R>, path: Vec<u8>) -> Result<String> {
    let path = String::from_utf8(path).ok().context("it holds a path that isn't UTF-8")?;
    let kind = match entry.header().entry_type() {
        EntryType::Regular => return Ok(path),
        EntryType::Symlink | EntryType::Link => "a link",
        EntryType::Char | EntryType::Block | EntryType::Fifo => "a device",
        EntryType::Directory => "a folder",
        _ => "of a kind",
    };
    bail!("it holds `{}`, {kind}: a backup holds plain files alone", one_line(&path, 300))
}

/// Puts what `read` hands out into a folder, in which nothing may be at the path.
pub(crate) fn unpack(dir: &Dir, path: &Path, look: Look, secret: bool, content: &mut dyn Read) -> Result<()> {
    use cap_std::fs::{DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt, Permissions};
    if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
        let mut builder = DirBuilder::new();
        // A database's folder belongs to the host alone.
        builder.recursive(true).mode(if secret { 0o700 } else { 0o755 });
        dir.create_dir_with(parent, &builder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = BufWriter::with_capacity(BUFFER, dir.open_with(path, &options)?);
    io::copy(content, &mut file)?;
    let file = file.into_inner()?;
    // Its owner can always read and write it, the world never writes it.
    let mode = if secret { 0o600 } else { look.mode & 0o775 | 0o600 };
    file.set_permissions(Permissions::from_mode(mode))?;
    let file = file.into_std();
    if let Some(modified) = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(look.modified)) {
        // A time that the file system doesn't know is no reason to fail.
        let _ = file.set_modified(modified);
    }
    if !cfg!(target_os = "linux") {
        file.sync_all()?;
    }
    Ok(())
}
