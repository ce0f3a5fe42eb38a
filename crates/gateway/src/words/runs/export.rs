//! `runs export [ID…] [--format json|csv|tar]`: the worker's runs as data, oldest first, a few at a time.

use super::tables::{COLUMNS, TAR_END, csv, padding, tar_header};
use super::{show, unreadable};
use crate::answer::Answer;
use crate::conversation::Gone;
use crate::record::Request;
use crate::refuse;
use crate::store::{Row, SavedOutput, Scope, State, Stream};
use crate::words::{Speaker, shown};
use doorward_policy::{BUILT_IN, Refusal};

/// Rows in memory at one time.
const PAGE: u32 = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
    Tar,
}

/// What is exported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Export<'w> {
    /// All when there are none.
    ids: Vec<&'w str>,
    format: Format,
}

impl<'w> Export<'w> {
    /// The words after `export`, or what is wrong with them.
    pub(super) fn read(words: &[&'w str]) -> Result<Self, String> {
        let (mut ids, mut format) = (Vec::new(), Format::Json);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let named = match *word {
                "--format" => {
                    Some(*words.next().ok_or("'--format' has nothing behind it: json, csv or tar")?)
                }
                word => word.strip_prefix("--format="),
            };
            match named {
                Some("json") => format = Format::Json,
                Some("csv") => format = Format::Csv,
                Some("tar") => format = Format::Tar,
                Some(other) => return Err(format!("{} is no format: json, csv or tar", shown(other))),
                None if word.starts_with('-') => {
                    return Err(format!("'runs export' has no option {}", shown(word)));
                }
                None => ids.push(*word),
            }
        }
        Ok(Export { ids, format })
    }
}

/// Why an export ended early.
enum Broken {
    /// Nobody reads it.
    Gone,
    /// The saved runs cannot be read.
    Unreadable,
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Broken::Gone
    }
}

impl Speaker<'_> {
    pub(super) async fn export(
        &mut self,
        request: Request,
        scope: Scope,
        export: Export<'_>,
    ) -> Result<Answer, Gone> {
        let (rows, _place) = match (self.named_runs(&scope, &export.ids).await, self.place()) {
            (Ok(rows), Ok(place)) => (rows, place),
            (Err(refusal), _) | (_, Err(refusal)) => return self.refuse(request, refusal).await,
        };
        if let Err(refusal) = self.asking.record_allowed(&request, BUILT_IN).await {
            return self.tell_refusal(&refusal).await;
        }
        let exported = match rows.is_empty() {
            true => self.export_all(scope, export.format).await,
            false => self.export_these(&scope, &rows, export.format).await,
        };
        let exit = if exported.is_ok() { 0 } else { refuse::FAILED };
        self.asking.record_outcome(&request, exit);
        match exported {
            Ok(()) => Ok(Answer::Exit(0)),
            Err(Broken::Gone) => Err(Gone),
            Err(Broken::Unreadable) => self.tell_refusal(&unreadable()).await,
        }
    }

    /// The ids of the runs that these prefixes name, each looked up before anything is said.
    async fn named_runs(&self, scope: &Scope, prefixes: &[&str]) -> Result<Vec<String>, Refusal> {
        let mut ids = Vec::new();
        for prefix in prefixes {
            ids.push(self.named_run(scope.clone(), prefix).await?.id);
        }
        Ok(ids)
    }

    async fn export_all(&mut self, scope: Scope, format: Format) -> Result<(), Broken> {
        self.begin(format).await?;
        let (mut after, mut first) = (0, true);
        loop {
            let page = self.asking.gateway.store.page(scope.clone(), after, PAGE).await;
            let page = page.map_err(|_| Broken::Unreadable)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (_, row) in &page {
                self.export_run(row, format, first).await?;
                first = false;
            }
        }
        self.end(format).await
    }

    async fn export_these(&mut self, scope: &Scope, ids: &[String], format: Format) -> Result<(), Broken> {
        self.begin(format).await?;
        for (place, id) in ids.iter().enumerate() {
            // One that was deleted in the meantime is an export that is not whole.
            let row = self.named_run(scope.clone(), id).await.map_err(|_| Broken::Unreadable)?;
            self.export_run(&row, format, place == 0).await?;
        }
        self.end(format).await
    }

    async fn begin(&mut self, format: Format) -> Result<(), Broken> {
        let text = match format {
            Format::Json => "[",
            Format::Csv => COLUMNS,
            Format::Tar => "",
        };
        Ok(self.outlet.stdout(text).await?)
    }

    async fn end(&mut self, format: Format) -> Result<(), Broken> {
        let end = match format {
            Format::Json => b"\n]\n".to_vec(),
            Format::Csv => Vec::new(),
            Format::Tar => TAR_END.to_vec(),
        };
        Ok(self.outlet.put(Stream::Out, end).await?)
    }

    async fn export_run(&mut self, row: &Row, format: Format, first: bool) -> Result<(), Broken> {
        match format {
            Format::Json => {
                let begin = if first { "\n" } else { ",\n" };
                let row = refuse::plain_json(&serde_json::to_string(row).map_err(|_| Broken::Unreadable)?);
                Ok(self.outlet.stdout(&format!("{begin}{row}")).await?)
            }
            Format::Csv => Ok(self.outlet.stdout(&csv(row)).await?),
            Format::Tar => self.export_files(row).await,
        }
    }

    /// `ID/run.json`, `ID/stdout`, `ID/stderr`. The sizes stand before the bytes, so an output is read once to
    /// measure it and then once for each stream.
    async fn export_files(&mut self, row: &Row) -> Result<(), Broken> {
        let about = serde_json::to_string_pretty(row).map_err(|_| Broken::Unreadable)?;
        let about = format!("{}\n", refuse::plain_json(&about)).into_bytes();
        self.member(row, "run.json", length(&about)).await?;
        self.outlet.put(Stream::Out, about.clone()).await?;
        self.outlet.put(Stream::Out, padding(length(&about))).await?;
        if row.state == State::Running {
            let _ = self.asking.gateway.store.flush(&row.id).await;
        }
        // The same open file for all three: it may be deleted, or grow, in between.
        let saved = self.asking.gateway.store.output(row).map_err(|_| Broken::Unreadable)?;
        let (out, err) = measure(saved.twin().map_err(|_| Broken::Unreadable)?).await;
        for (stream, name, size) in [(Stream::Out, "stdout", out), (Stream::Err, "stderr", err)] {
            self.member(row, name, size).await?;
            self.stream(saved.twin().map_err(|_| Broken::Unreadable)?, stream, size).await?;
            self.outlet.put(Stream::Out, padding(size)).await?;
        }
        Ok(())
    }

    async fn member(&mut self, row: &Row, name: &str, size: u64) -> Result<(), Broken> {
        let seconds = u64::try_from(row.started / 1000).unwrap_or(0);
        let header = tar_header(&format!("{}/{name}", row.id), size, seconds).ok_or(Broken::Unreadable)?;
        Ok(self.outlet.put(Stream::Out, header).await?)
    }

    /// The first `size` bytes of one stream.
    async fn stream(&mut self, saved: SavedOutput, stream: Stream, size: u64) -> Result<(), Broken> {
        let (mut left, mut saved) = (size, saved);
        while left > 0 {
            let (Some(back), Some((of, mut bytes))) = show::next(saved).await else {
                return Err(Broken::Unreadable);
            };
            saved = back;
            if of == stream {
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left = left.saturating_sub(length(&bytes));
                self.outlet.put(Stream::Out, bytes).await?;
            }
        }
        Ok(())
    }
}

/// Bytes of stdout and of stderr, as far as they can be read.
async fn measure(mut saved: SavedOutput) -> (u64, u64) {
    let (mut out, mut err) = (0_u64, 0_u64);
    while let (Some(back), Some((stream, bytes))) = show::next(saved).await {
        saved = back;
        let size = match stream {
            Stream::Out => &mut out,
            Stream::Err => &mut err,
        };
        *size = size.saturating_add(length(&bytes));
    }
    (out, err)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_a_format_come_in_any_order() {
        let export = |ids: &[&'static str], format| Ok(Export { ids: ids.to_vec(), format });
        let wrong = |text: &str| Err(text.to_owned());
        let cases: &[(&[&'static str], Result<Export<'_>, String>)] = &[
            (&[], export(&[], Format::Json)),
            (&["--format", "tar"], export(&[], Format::Tar)),
            (&["A", "--format=csv", "B"], export(&["A", "B"], Format::Csv)),
            (&["--format", "json", "A"], export(&["A"], Format::Json)),
            (&["--format"], wrong("'--format' has nothing behind it: json, csv or tar")),
            (&["--format", "xml"], wrong("'xml' is no format: json, csv or tar")),
            (&["--output", "/etc/x"], wrong("'runs export' has no option '--output'")),
        ];
        for (words, expected) in cases {
            assert_eq!(Export::read(words), *expected, "{words:?}");
        }
    }
}
