//! Pairs as Parquet in TRL's forms, which `datasets` and the Hugging Face hub read: texts, or conversations as lists of `role`
//! and `content`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::jsonl::write_whole_by;
use crate::store::{PairSource, SourcedPair};
use crate::{Content, Error, Message, Pair};

/// Rows of a group: as many as `datasets` takes.
const GROUP: usize = 1000;

/// Writes pairs with where each has its content from (`id`, `origin`); the file appears whole or not at all.
///
/// # Errors
/// When some pairs are texts and others conversations, or a message holds more than a role and a text, which a table with one
/// type for every column cannot hold; and when writing fails.
pub fn write_pairs(path: &Path, pairs: &[SourcedPair]) -> Result<(), Error> {
    let are_texts = are_texts(pairs).map_err(|reason| Error::Choice { path: path.to_path_buf(), reason })?;
    let write = |file: &mut File| write(file, pairs, are_texts).map_err(std::io::Error::other);
    write_whole_by(path, write).map_err(Error::io("write", path))
}

/// Whether all pairs are texts and not all conversations.
fn are_texts(pairs: &[SourcedPair]) -> Result<bool, String> {
    let is_text = |content: &Content| matches!(content, Content::Text(_));
    let texts = pairs.iter().filter(|sourced| parts_of(sourced).into_iter().all(is_text)).count();
    if texts > 0 && texts < pairs.len() {
        return Err(format!(
            "{texts} of the {} pairs are plain text and the others conversations: a Parquet column has one type. Take the \
             JSON Lines",
            pairs.len()
        ));
    }
    let is_plain = |content: &Content| match content {
        Content::Text(_) => true,
        Content::Messages(said) => {
            said.tools.is_empty() && said.chat_template_kwargs.is_empty() && said.messages.iter().all(Message::is_plain)
        }
    };
    let others = pairs.iter().filter(|sourced| !parts_of(sourced).into_iter().all(is_plain)).count();
    if others > 0 {
        return Err(format!(
            "{others} of the {} pairs hold more than roles and texts, such as tools or calls of them: a Parquet column has one \
             type. Take the JSON Lines",
            pairs.len()
        ));
    }
    Ok(texts > 0)
}

fn parts_of(sourced: &SourcedPair) -> [&Content; 3] {
    let Pair { prompt, chosen, rejected, .. } = &sourced.pair;
    [prompt, chosen, rejected]
}

fn write(file: &mut File, pairs: &[SourcedPair], are_texts: bool) -> Result<(), ParquetError> {
    let content = |name: &str| {
        if are_texts {
            format!("OPTIONAL BYTE_ARRAY {name} (UTF8);")
        } else {
            format!(
                "OPTIONAL GROUP {name} (LIST) {{ REPEATED GROUP list {{ OPTIONAL GROUP element {{
                 OPTIONAL BYTE_ARRAY role (UTF8); OPTIONAL BYTE_ARRAY content (UTF8); }} }} }}"
            )
        }
    };
    let schema = format!(
        "message pairs {{ {} {} {} OPTIONAL BYTE_ARRAY category (UTF8); REQUIRED INT64 id; REQUIRED BYTE_ARRAY origin (UTF8); }}",
        content("prompt"),
        content("chosen"),
        content("rejected")
    );
    let schema = Arc::new(parse_message_type(&schema)?);
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    for rows in pairs.chunks(GROUP) {
        let mut group = writer.next_row_group()?;
        let contents = [
            rows.iter().map(|row| &row.pair.prompt).collect::<Vec<_>>(),
            rows.iter().map(|row| &row.pair.chosen).collect(),
            rows.iter().map(|row| &row.pair.rejected).collect(),
        ];
        for contents in contents {
            write_contents(&mut group, &contents, are_texts)?;
        }
        let categories: Vec<Option<&str>> = rows.iter().map(|row| row.pair.category.as_deref()).collect();
        let filled: Vec<i16> = categories.iter().map(|category| i16::from(category.is_some())).collect();
        write_texts(&mut group, categories.into_iter().flatten(), Some(&filled), None)?;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        if let Some(mut column) = group.next_column()? {
            column.typed::<Int64Type>().write_batch(&ids, None, None)?;
            column.close()?;
        }
        write_texts(&mut group, rows.iter().map(|row| name_of(row.source)), None, None)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn write_contents<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<W>,
    contents: &[&Content],
    are_texts: bool,
) -> Result<(), ParquetError> {
    if are_texts {
        let texts = contents.iter().filter_map(|content| content.as_text());
        return write_texts(group, texts, Some(&vec![1; contents.len()]), None);
    }
    let messages: Vec<&[Message]> = contents.iter().map(|content| content.as_messages().unwrap_or_default()).collect();
    // By the definition a list that holds nothing has level 1, a field of an element that is there level 4; by the repetition
    // the first element of a row has 0 and the others 1.
    let levels = messages.iter().map(|list| if list.is_empty() { vec![(1, 0)] } else { in_list(list.len()) });
    let (defined, repeated): (Vec<i16>, Vec<i16>) = levels.flatten().unzip();
    let said = messages.iter().flat_map(|list| list.iter());
    write_texts(group, said.clone().map(|message| message.role.clone()), Some(&defined), Some(&repeated))?;
    write_texts(group, said.map(|message| message.text().into_owned()), Some(&defined), Some(&repeated))
}

/// A source as JSON has it: `imported`, `edited`, `labelled`.
fn name_of(source: PairSource) -> String {
    serde_json::to_value(source).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn in_list(length: usize) -> Vec<(i16, i16)> {
    (0..length).map(|at| (4, i16::from(at > 0))).collect()
}

fn write_texts<W: std::io::Write + Send, T: Into<String>>(
    group: &mut SerializedRowGroupWriter<W>,
    texts: impl Iterator<Item = T>,
    defined: Option<&[i16]>,
    repeated: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    let texts: Vec<ByteArray> = texts.map(|text| ByteArray::from(text.into().into_bytes())).collect();
    column.typed::<ByteArrayType>().write_batch(&texts, defined, repeated)?;
    column.close()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::reader::{self, Choices};
    use proptest::prelude::*;

    fn sourced(pairs: Vec<Pair>) -> Vec<SourcedPair> {
        let sourced = |(at, pair)| SourcedPair { id: at as i64 + 1, source: PairSource::Imported, pair };
        pairs.into_iter().enumerate().map(sourced).collect()
    }

    fn there_and_back(pairs: &[Pair]) -> Vec<Pair> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.parquet");
        write_pairs(&path, &sourced(pairs.to_vec())).unwrap();
        let mut choices = Choices::new();
        // What was a text stays one, and what it repeats stays there.
        choices.insert("repeated_prompt".to_owned(), "keep".to_owned());
        let read = reader::read_pairs(&path, &choices).unwrap();
        assert_eq!(read.mapped.refused, []);
        read.into_pairs()
    }

    fn pair(prompt: impl Into<Content>, chosen: impl Into<Content>, rejected: impl Into<Content>) -> Pair {
        Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
    }

    #[test]
    fn what_one_type_cannot_hold_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.parquet");
        let said = |text: &str| Content::from(vec![Message::new("assistant", text)]);
        let asked = Content::from(vec![Message::new("user", "q")]);
        let spoken = pair(asked.clone(), said("c"), said("r"));
        let error = |pairs: Vec<Pair>| write_pairs(&path, &sourced(pairs)).unwrap_err().to_string();
        assert!(error(vec![pair("p", "c", "r"), spoken.clone()]).contains("1 of the 2 pairs are plain text"));
        let mut named = Message::new("assistant", "c");
        named.fields.insert("name".to_owned(), "Ada".into());
        let message = error(vec![pair(asked, vec![named], said("r"))]);
        assert!(message.contains("1 of the 1 pairs hold more than roles and texts"), "{message}");
        assert!(!path.exists());
        assert_eq!(there_and_back(std::slice::from_ref(&spoken)), [spoken]);
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in prop::collection::vec(("\\PC{1,20}", "[^\0]{1,12}", "[^\0]{1,12}", prop::option::of("[a-z]{1,5}")), 1..6)) {
            let make = |(at, (p, c, r, category)): (usize, (String, String, String, Option<String>))| {
                Pair { category, ..pair(format!("{p} {at}?").as_str(), format!("a{c}").as_str(), format!("b{r}").as_str()) }
            };
            let pairs: Vec<Pair> = texts.into_iter().enumerate().map(make).collect();
            prop_assert_eq!(there_and_back(&pairs), pairs);
        }

        #[test]
        fn conversations_come_back(turns in prop::collection::vec(("[^\0]{1,12}", "[^\0]{1,12}"), 1..5), rows in 1_usize..4) {
            let asked = |number: usize| {
                let mut said = vec![Message::new("system", format!("row {number}"))];
                for (question, answer) in &turns {
                    said.push(Message::new("user", format!("q{question}")));
                    said.push(Message::new("assistant", format!("a{answer}")));
                }
                said.push(Message::new("user", "and?"));
                said
            };
            let answer = |text: &str| vec![Message::new("assistant", text)];
            let pairs: Vec<Pair> = (0..rows).map(|row| pair(asked(row), answer("yes"), answer("no"))).collect();
            prop_assert_eq!(there_and_back(&pairs), pairs);
        }
    }
}
