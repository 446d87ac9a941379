// The rules of validation_report_rules_benchmark in DuckDB, on a file of its own with the same rows.
//
//   node duckdb.mjs FILE THREADS < the line of JSON that the benchmark prints
//
// As few statements as find the failing records: one for all row rules, one for each other kind of
// key. It must find as many as the benchmark did; prints one line of JSON.
import fs from 'node:fs';
import {DuckDBInstance} from '@duckdb/node-api';

const [file, threads] = process.argv.slice(2);
const ours = JSON.parse(fs.readFileSync(0, 'utf8'));
const {rows, row_rules: rules} = ours;
const instance = await DuckDBInstance.create(file, {threads});
const duckdb = await instance.connect();

// testdata/large_district.sql in DuckDB's words; the types are those of the datasets.
await duckdb.run(`
  CREATE TABLE attendance_summary AS
    SELECT lpad(i::VARCHAR, 9, '0') AS record_key, (1000000000 + i // 6)::VARCHAR AS student_uid,
           lpad((200000 + i // 3000 % 300)::VARCHAR, 6, '0') AS school_id,
           chr((65 + i // 6 % 3)::INTEGER) AS calendar_track, i % 6 + 1 AS reporting_period,
           2026::BIGINT AS school_year, lpad((1 + i // 6 % 12)::VARCHAR, 2, '0') AS grade_level,
           30::DECIMAL(5, 1) AS days_expected,
           (30 - i // 6 % 4 - CASE WHEN i % 1009 = 0 THEN 40 ELSE 0 END)::DECIMAL(5, 1)
             AS days_present,
           (i // 6 % 4)::DECIMAL(5, 1) AS days_absent_excused,
           0::DECIMAL(5, 1) AS days_absent_unexcused, 0::DECIMAL(5, 1) AS days_absent_oss,
           i % 5 AS tardies, i // 6 % 4 = 3 AS chronic_absent, NULL::VARCHAR AS exemption_reason
      FROM range(0, ${rows}) AS t(i);
  CREATE TABLE enrollment AS
    SELECT (1000000000 + s)::VARCHAR AS student_uid,
           lpad((200000 + s * 6 // 3000 % 300)::VARCHAR, 6, '0') AS school_id
      FROM range(0, ${Math.floor(rows / 6)} + 1) AS t(s) WHERE s % 500 <> 7;
  CHECKPOINT;`);

const repeated = (columns) => `
  SELECT record_key FROM attendance_summary WHERE (${columns}) IN
    (SELECT (${columns}) FROM attendance_summary GROUP BY ${columns} HAVING count(*) > 1)`;
const without = (columns) => `
  SELECT record_key FROM attendance_summary a ANTI JOIN enrollment e USING (${columns})`;
const mask = rules.map((rule, n) => `(CASE WHEN ${rule} THEN ${1 << n} ELSE 0 END)`).join(' + ');
const statements = [
  `SELECT record_key, mask FROM (SELECT record_key, ${mask} AS mask FROM attendance_summary)
    WHERE mask <> 0`,
  repeated('student_uid, school_id, reporting_period'),
  repeated('student_uid, reporting_period, days_present'),
  repeated('student_uid, school_id, calendar_track, reporting_period'),
  without('student_uid'), without('student_uid, school_id'),
  `SELECT school_id FROM attendance_summary GROUP BY school_id
    HAVING sum(days_present) < 0.80 * sum(days_expected)`];

// Reads all of the answers, as whoever writes a report must.
async function run() {
  const found = [];
  for (const [place, statement] of statements.entries()) {
    const answer = await duckdb.stream(statement);
    const counts = place === 0 ? rules.map(() => 0) : [0];
    for (let chunk = await answer.fetchChunk(); chunk?.rowCount; chunk = await answer.fetchChunk()) {
      if (place > 0) {
        counts[0] += chunk.rowCount;
        continue;
      }
      const masks = chunk.getColumnVector(1);
      for (let row = 0; row < chunk.rowCount; row += 1) {
        const value = Number(masks.getItem(row));
        for (let n = 0; n < rules.length; n += 1) counts[n] += (value >> n) & 1;
      }
    }
    found.push(...counts);
  }
  return found;
}

const seconds = [];
for (let i = 0; i < 3; i += 1) {
  const began = process.hrtime.bigint();
  const found = await run();
  seconds.push(Number(process.hrtime.bigint() - began) / 1e9);
  found.forEach((count, n) => {
    if (count !== ours.findings[n]) {
      throw new Error(`rule ${n} finds ${count} here and ${ours.findings[n]} there`);
    }
  });
}
console.log(JSON.stringify({seconds: seconds.toSorted((a, b) => a - b)[1],
  statements: statements.length}));
process.exit(0);
