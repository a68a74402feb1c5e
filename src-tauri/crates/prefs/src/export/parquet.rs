//! Pairs as Parquet in TRL's forms, which `datasets` and the Hugging Face hub read: texts, or conversations as lists of `role`
//! and `content`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Columns, json_text, tools_text, validate};
use crate::store::ExportedPair;
use crate::{Content, Error, Message, Pair, whole};

/// Rows of a group: as many as `datasets` takes.
const GROUP: usize = 1000;

/// Writes pairs with what belongs to each; the file appears whole or not at all.
///
/// # Errors
/// When some pairs are texts and others conversations, or a message holds more than a role and a text, which a table with one
/// type for every column cannot hold; and when writing fails.
pub fn write_pairs(path: &Path, pairs: &[ExportedPair]) -> Result<(), Error> {
    validate(pairs)?;
    let are_texts = are_texts(pairs).map_err(|reason| Error::Choice { path: path.to_path_buf(), reason })?;
    let write = |file: &mut File| write(file, pairs, are_texts).map_err(std::io::Error::other);
    whole::write_by(path, write).map_err(Error::io("write", path))
}

/// Whether all pairs are texts and not all conversations.
fn are_texts(pairs: &[ExportedPair]) -> Result<bool, String> {
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
        Content::Messages(said) => said.chat_template_kwargs.is_empty() && said.messages.iter().all(Message::is_plain),
    };
    let others = pairs.iter().filter(|sourced| !parts_of(sourced).into_iter().all(is_plain)).count();
    if others > 0 {
        return Err(format!(
            "{others} of the {} pairs hold more than roles and texts, such as calls of tools: a Parquet column has one type. \
             Take the JSON Lines",
            pairs.len()
        ));
    }
    Ok(texts > 0)
}

fn parts_of(exported: &ExportedPair) -> [&Content; 3] {
    let Pair { prompt, chosen, rejected, .. } = &exported.sourced.pair;
    [prompt, chosen, rejected]
}

fn write(file: &mut File, pairs: &[ExportedPair], are_texts: bool) -> Result<(), ParquetError> {
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
    let columns = Columns::of_pairs(pairs);
    let tools = if columns.tools { "REQUIRED BYTE_ARRAY tools (UTF8);" } else { "" };
    let ratings = columns.ratings.iter().map(|rated| format!("OPTIONAL DOUBLE {};", rated.column()));
    let ratings = ratings.collect::<String>();
    let held_out = if columns.held_out { "REQUIRED BOOLEAN held_out;" } else { "" };
    let schema = format!(
        "message pairs {{ {} {} {} {tools} OPTIONAL BYTE_ARRAY category (UTF8); REQUIRED INT64 id;
         REQUIRED BYTE_ARRAY origin (UTF8); OPTIONAL BYTE_ARRAY import_file (UTF8); OPTIONAL INT64 import_line;
         OPTIONAL INT64 import_row;
         REQUIRED INT64 votes_chosen; REQUIRED INT64 votes_rejected; REQUIRED INT64 votes_tie;
         {ratings} {held_out} REQUIRED BYTE_ARRAY judgements (UTF8); }}",
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
            rows.iter().map(|row| &row.sourced.pair.prompt).collect::<Vec<_>>(),
            rows.iter().map(|row| &row.sourced.pair.chosen).collect(),
            rows.iter().map(|row| &row.sourced.pair.rejected).collect(),
        ];
        for contents in contents {
            write_contents(&mut group, &contents, are_texts)?;
        }
        if columns.tools {
            let tools = rows.iter().map(|row| tools_text(&row.sourced.pair.prompt)).collect::<Result<Vec<_>, _>>();
            write_texts(&mut group, tools.map_err(external)?.into_iter(), None, None)?;
        }
        let of_some = |texts: Vec<Option<&str>>, group: &mut SerializedRowGroupWriter<&mut File>| {
            let filled: Vec<i16> = texts.iter().map(|text| i16::from(text.is_some())).collect();
            write_texts(group, texts.into_iter().flatten(), Some(&filled), None)
        };
        of_some(rows.iter().map(|row| row.sourced.pair.category.as_deref()).collect(), &mut group)?;
        write_numbers::<_, Int64Type>(&mut group, rows.iter().map(|row| Some(row.sourced.id)), false)?;
        write_texts(&mut group, rows.iter().map(|row| row.sourced.source.name()), None, None)?;
        of_some(rows.iter().map(|row| row.import_file.as_deref()).collect(), &mut group)?;
        write_numbers::<_, Int64Type>(&mut group, rows.iter().map(|row| row.import_line), true)?;
        write_numbers::<_, Int64Type>(&mut group, rows.iter().map(|row| row.import_row), true)?;
        let votes: Vec<_> = rows.iter().map(ExportedPair::votes).collect();
        write_numbers::<_, Int64Type>(&mut group, votes.iter().map(|votes| Some(votes.chosen)), false)?;
        write_numbers::<_, Int64Type>(&mut group, votes.iter().map(|votes| Some(votes.rejected)), false)?;
        write_numbers::<_, Int64Type>(&mut group, votes.iter().map(|votes| Some(votes.tie)), false)?;
        for rated in &columns.ratings {
            let of = |row: &ExportedPair| row.ratings.and_then(|ratings| rated.of(ratings));
            write_numbers::<_, DoubleType>(&mut group, rows.iter().map(of), true)?;
        }
        if columns.held_out {
            write_numbers::<_, BoolType>(&mut group, rows.iter().map(|row| Some(row.held_out)), false)?;
        }
        let judgements = rows.iter().map(|row| json_text(&row.judgements)).collect::<Result<Vec<_>, _>>();
        write_texts(&mut group, judgements.map_err(external)?.into_iter(), None, None)?;
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

fn write_numbers<W: std::io::Write + Send, T: DataType>(
    group: &mut SerializedRowGroupWriter<W>,
    numbers: impl Iterator<Item = Option<T::T>>,
    is_optional: bool,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    let numbers: Vec<Option<T::T>> = numbers.collect();
    let filled: Vec<i16> = numbers.iter().map(|number| i16::from(number.is_some())).collect();
    let numbers: Vec<T::T> = numbers.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&numbers, is_optional.then_some(&filled[..]), None)?;
    column.close()
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
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
    use crate::store::{PairSource, SourcedPair};

    fn sourced(pairs: Vec<Pair>) -> Vec<ExportedPair> {
        let sourced = |(at, pair)| SourcedPair { id: at as i64 + 1, source: PairSource::Imported, pair }.into();
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
}
