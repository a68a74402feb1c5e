//! What is odd about pairs: of a file before it is brought in, and of a project before it is trained on.

use super::types::{CheckImport, CheckPairs, Code, DataChecks, DataFinding, DataSeverity, FoundPair, ImportKind};
use super::{Backend, data};
use crate::error::Result;
use prefs::checks::{self, Finding};
use prefs::mapping::MappedContent;
use prefs::{Content, Pair, split};
use std::collections::HashSet;

/// Pairs of a finding that cross to the page.
const MOST_FOUND: usize = 200;

/// Characters of each text that do.
const SHOWN: usize = 160;

/// Checks the pairs that an import would add, by themselves and beside those that the project has.
pub(super) fn check_import(backend: &Backend, request: CheckImport) -> Result<DataChecks> {
    let project = backend.project(&request.project)?;
    let store = project.another_store()?;
    let mut checked = DataChecks { pairs: 0, held_out: 0, findings: Vec::new() };
    if request.mapping.kind != ImportKind::Pairs {
        return Ok(checked);
    }
    let table = data::table(backend, &backend.uploaded(&request.upload)?)?;
    let (mut lines, mut pairs) = (Vec::new(), Vec::new());
    for row in store.new_rows(&table, &request.mapping)? {
        if let MappedContent::Pair(pair) = row.content {
            lines.push(row.line);
            pairs.push(pair);
        }
    }
    checked.pairs = pairs.len();
    if pairs.is_empty() {
        return Ok(checked);
    }
    let found = |row: usize| FoundPair { line: Some(lines[row]), ..shown(&pairs[row]) };
    checked.findings = checks::check(&pairs, None).findings.into_iter().map(|finding| told(finding, &found)).collect();
    let known: Vec<Pair> = store.training_pairs()?.into_iter().map(|sourced| sourced.pair).collect();
    let rows = checks::contradicting(&pairs, &known);
    if !rows.is_empty() {
        let message = format!(
            "{} of these pairs prefer the other answer than a pair that the project has: leave one of the two out.",
            rows.len()
        );
        let finding = Finding { code: Code::Contradiction, severity: DataSeverity::Error, message, rows };
        checked.findings.insert(0, told(finding, &found));
    }
    Ok(checked)
}

/// Checks the pairs that a run would be trained on, beside those that it would hold out.
pub(super) fn check_pairs(backend: &Backend, request: CheckPairs) -> Result<DataChecks> {
    let all = backend.project(&request.project)?.another_store()?.training_pairs()?;
    let pairs: Vec<Pair> = all.iter().map(|sourced| sourced.pair.clone()).collect();
    let (train, held_out) = split::split(&pairs, request.held_out_share, request.seed);
    // Both parts keep the order of all, and the pairs of a prompt are in one of them.
    let apart: HashSet<&Pair> = held_out.iter().collect();
    let (held_out_ids, ids): (Vec<_>, Vec<_>) = all.iter().partition(|sourced| apart.contains(&sourced.pair));
    let number = |id: i64, pair: &Pair| FoundPair { id: Some(id), ..shown(pair) };
    let findings = checks::check(&train, Some(&held_out)).findings.into_iter().map(|finding| {
        let of = if finding.code == Code::PromptLeak { (&held_out_ids, &held_out) } else { (&ids, &train) };
        told(finding, &|row| number(of.0[row].id, &of.1[row]))
    });
    Ok(DataChecks { pairs: train.len(), held_out: held_out.len(), findings: findings.collect() })
}

fn told(finding: Finding, found: &dyn Fn(usize) -> FoundPair) -> DataFinding {
    let Finding { code, severity, message, rows } = finding;
    let pairs = rows.iter().take(MOST_FOUND).map(|row| found(*row)).collect();
    DataFinding { code, severity, message, count: rows.len(), pairs }
}

fn shown(pair: &Pair) -> FoundPair {
    let beginning = |content: &Content| content.last_text().chars().take(SHOWN).collect();
    FoundPair {
        id: None,
        line: None,
        prompt: beginning(&pair.prompt),
        chosen: beginning(&pair.chosen),
        rejected: beginning(&pair.rejected),
    }
}
