// The style sheet of the HTML report, and the hash by which the page's security policy admits
// exactly these bytes. html_writer_test.cc fails with the right hash when the two differ.
#pragma once

#include <string_view>

namespace edcert::render {

inline constexpr std::string_view kStyleHash =
    "sha256-ciY3cvBFLKik+GoY7ZsAYtz7ULlIYxBWUo76Mt5VwXk=";

inline constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;
--page:#f3f4f6;--sheet:#fff;--ink:#1b2430;--soft:#566070;--line:#dde1e7;--faint:#f6f7f9;--brand:#17365d;
--link:#1a4f8f;--focus:#1a4f8f;--mark:#fff6d6;
--fatal:#a8201a;--fatal-bg:#fdf0ef;--fatal-bar:#981b14;
--special:#8f4300;--special-bg:#fdf3e8;--special-bar:#d47212;
--warning:#6b5600;--warning-bg:#fbf6dd;--warning-bar:#8a6f0a;
--info:#1c5288;--info-bg:#edf4fb;--info-bar:#5b8fc7;
--pass:#1b6337;--pass-bg:#eef7f1}
@media screen and (prefers-color-scheme:dark){:root{
--page:#11151b;--sheet:#191f27;--ink:#e6eaf0;--soft:#a3adbb;--line:#2f3843;--faint:#1f2630;--brand:#8fb6e6;
--link:#8fbdf5;--focus:#8fbdf5;--mark:#3b3419;
--fatal:#ff9d94;--fatal-bg:#331c1d;--fatal-bar:#e5695f;
--special:#f7b273;--special-bg:#31241a;--special-bar:#dc8a3c;
--warning:#e8cf6a;--warning-bg:#2c2817;--warning-bar:#b59f3c;
--info:#92c2f2;--info-bg:#1a2837;--info-bar:#4d83bb;
--pass:#86d3a2;--pass-bg:#182b21}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--ink);
font:400 1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}
h1,h2,h3,p,dl,dd,figure,table{margin:0}
h1,h2,h3{line-height:1.25;text-wrap:balance}
a{color:var(--link);text-underline-offset:.15em}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:1rem;top:-4rem;padding:.6rem 1rem;background:var(--sheet);color:var(--link);z-index:1}
.skip:focus{top:1rem}
.vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.wrap{max-width:70rem;margin:0 auto;padding:0 clamp(1rem,4vw,2.5rem)}
.top{background:var(--sheet);border-top:.375rem solid var(--brand);border-bottom:1px solid var(--line)}
.top .wrap{padding-block:2rem 1.5rem}
.org{font-size:1.05rem;font-weight:600;color:var(--brand)}
h1{margin:.2rem 0 1.25rem;font-size:clamp(1.6rem,1.2rem + 1.8vw,2.2rem);font-weight:650;letter-spacing:-.012em}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.9rem 2rem;padding-top:1.1rem;
border-top:1px solid var(--line)}
.facts dt{font-size:.8rem;color:var(--soft)}
.facts dd{font-size:.95rem;overflow-wrap:anywhere}
main .wrap>section{margin-top:2.75rem}
main .wrap>section.verdict{margin-top:1.75rem}
h2{font-size:1.3rem;font-weight:650;letter-spacing:-.006em}
h2+.note{margin-top:.25rem}
.note{color:var(--soft);font-size:.925rem;max-width:46rem}
.verdict{display:grid;grid-template-columns:auto 1fr;gap:0 1.1rem;padding:1.4rem 1.5rem;border:1px solid;
border-left-width:.375rem;border-radius:.5rem}
.verdict svg{width:2.25rem;height:2.25rem;margin-top:.05rem}
.verdict h2{font-size:1.4rem;text-wrap:pretty}
.verdict p{margin-top:.4rem;color:var(--ink);max-width:48rem}
.blocked{background:var(--fatal-bg);border-color:var(--fatal);color:var(--fatal)}
.acknowledge{background:var(--special-bg);border-color:var(--special);color:var(--special)}
.review{background:var(--warning-bg);border-color:var(--warning);color:var(--warning)}
.clear{background:var(--pass-bg);border-color:var(--pass);color:var(--pass)}
.nothing{background:var(--info-bg);border-color:var(--info);color:var(--info)}
.toc{margin-top:1.1rem;font-size:.925rem}
.toc ul{display:flex;flex-wrap:wrap;gap:.35rem 1.4rem;margin:0;padding:0;list-style:none}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(13.5rem,1fr));gap:1rem;margin:1rem 0 0;padding:0;
list-style:none}
.card{padding:1.1rem 1.2rem 1.15rem;background:var(--sheet);border:1px solid var(--line);border-top:.25rem solid;
border-radius:.5rem}
.card .num{font-size:2.1rem;font-weight:650;line-height:1.15;font-variant-numeric:tabular-nums;color:var(--ink)}
.card .what{font-size:.925rem;color:var(--ink)}
.card .act{margin-top:.5rem;padding-top:.5rem;border-top:1px solid var(--line);font-size:.875rem;color:var(--soft)}
.card.zero .num,.card.zero .sev,.card.zero .what{color:var(--soft)}
.sev{font-size:.78rem;font-weight:700;letter-spacing:.045em;white-space:nowrap}
.k-fatal{color:var(--fatal)}.k-special{color:var(--special)}.k-warning{color:var(--warning)}.k-info{color:var(--info)}
.k-pass{color:var(--pass)}
.card.k-fatal{border-top-color:var(--fatal-bar)}.card.k-special{border-top-color:var(--special-bar)}
.card.k-warning{border-top-color:var(--warning-bar)}.card.k-info{border-top-color:var(--info-bar)}
.card.zero{border-top-color:var(--line)}
.f-fatal{fill:var(--fatal-bar)}.f-special{fill:var(--special-bar)}.f-warning{fill:var(--warning-bar)}
.f-info{fill:var(--info-bar)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem;margin-top:1rem;align-items:start}
.panel{color:var(--ink);background:var(--sheet);border:1px solid var(--line);border-radius:.5rem}
.charts .panel{padding:1.1rem 1.25rem 1.25rem}
table{width:100%;border-collapse:collapse;font-size:.925rem}
th,td{padding:.65rem .75rem;text-align:left;vertical-align:top;overflow-wrap:break-word}
caption{text-align:left}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.chart caption{padding-bottom:.6rem;font-weight:650;font-size:1.02rem}
.chart th,.chart td{padding:.28rem 0;font-weight:400;vertical-align:middle}
.chart tbody th{padding-right:.9rem;line-height:1.3;overflow-wrap:anywhere}
.chart .code{white-space:normal}
.chart tbody th span{color:var(--soft);font-size:.85rem}
.chart thead th,.chart thead td{padding:0;line-height:0}
.chart{table-layout:fixed}
.w1{width:47%}.w3{width:4.5rem}
.bar{display:block;width:100%;height:.85rem}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.8rem 0 0;padding:0;list-style:none;font-size:.82rem;color:var(--soft)}
.key svg{width:.7rem;height:.7rem;margin-right:.4rem}
.scroll{margin-top:1rem;overflow-x:auto}
.grid{min-width:50rem}
.grid caption{padding:.75rem 1rem 0;color:var(--soft);font-size:.875rem}
.grid thead th{font-size:.82rem;font-weight:600;color:var(--soft);border-bottom:1px solid var(--line);vertical-align:bottom}
.grid thead .n{white-space:normal}.wide{width:46%}
.grid tbody td,.grid tbody th[scope=row]{border-top:1px solid var(--line);font-weight:400}
.grid tbody tr:first-child td,.grid tbody tr:first-child th[scope=row]{border-top:0}
.grid th[scope=rowgroup]{padding:.5rem 1rem;background:var(--faint);font-size:.82rem;font-weight:600;color:var(--soft);
border-block:1px solid var(--line)}
.grid th:first-child,.grid td:first-child{padding-left:1rem}
.grid th:last-child,.grid td:last-child{padding-right:1rem}
.code{font-weight:650;white-space:nowrap}
.rt{font-weight:600}
.sub{display:block;color:var(--soft);font-size:.875rem}
.out{display:inline-block;min-width:3.6rem;padding:.1rem .5rem;border:1px solid;border-radius:1rem;font-size:.78rem;
font-weight:650;line-height:1.4;text-align:center;white-space:nowrap}
.rule{margin-top:.9rem;overflow:hidden;border-left-width:.3rem}
.rule.k-fatal{border-left-color:var(--fatal-bar)}.rule.k-special{border-left-color:var(--special-bar)}
.rule.k-warning{border-left-color:var(--warning-bar)}.rule.k-info{border-left-color:var(--info-bar)}
details.rule>summary{display:grid;grid-template-columns:auto 1fr auto;gap:.1rem .9rem;align-items:baseline;
padding:.95rem 1.1rem;cursor:pointer;list-style:none}
summary::-webkit-details-marker{display:none}
details.rule>summary::before{color:var(--soft)}
details.rule>summary::before,.more>summary::before{content:"";width:.5rem;height:.5rem;border:solid currentColor;
border-width:0 .13rem .13rem 0;transform:rotate(-45deg)}
details.rule[open]>summary::before,.more[open]>summary::before{transform:rotate(45deg)}
details.rule>summary:hover{background:var(--faint)}
details.rule>summary:focus-visible{outline-offset:-3px}
.rule h3{font-size:1.02rem;font-weight:650;color:var(--ink)}
.rule h3 .code{margin-right:.5rem}
.rule .cnt{font-size:.925rem;color:var(--ink);text-align:right;font-variant-numeric:tabular-nums}
.rule .cnt .sev{margin-right:.6rem}
.about{padding:.1rem 1.1rem 1.1rem 2.55rem;max-width:54rem;scroll-margin-top:5rem}
.about p+p{margin-top:.5rem}
.fix{padding:.6rem .9rem;background:var(--info-bg);border-radius:.35rem}
.fix b,.cut b{font-weight:650}
.cut{padding:.6rem .9rem;background:var(--warning-bg);border-radius:.35rem}
.rule .scroll{margin:0;border-top:1px solid var(--line)}
.rec{table-layout:fixed;min-width:56rem}
.rec caption{padding-bottom:0}
.rec td{font-size:.9rem}
.c1{width:23%}.c2{width:12%}.c3{width:15%}.c4{width:25%}
.key1{font-weight:650;overflow-wrap:anywhere}
.fv{display:flex;flex-wrap:wrap;gap:.3rem .9rem}
.fv div{max-width:100%}
.fv dt{display:inline;color:var(--soft);font-size:.85rem}
.fv dd{display:inline;padding:.05rem .35rem;background:var(--faint);border:1px solid var(--line);border-radius:.25rem;
overflow-wrap:anywhere;white-space:break-spaces;box-decoration-break:clone;-webkit-box-decoration-break:clone;
font-variant-numeric:tabular-nums}
.fv .none{border-style:dashed;color:var(--soft)}
.new{display:inline-block;margin-left:.4rem;padding:0 .4rem;border-radius:.25rem;background:var(--mark);color:var(--ink);
font-size:.75rem;font-weight:650;white-space:nowrap}
.msg{white-space:pre-line}
.more{margin-top:.9rem}
.more>summary{display:flex;align-items:center;gap:.7rem;width:fit-content;color:var(--link);cursor:pointer;list-style:none;
font-size:.925rem}
.about:target{background:var(--mark)}
footer{margin-top:3.5rem;padding:1.5rem 0 3rem;border-top:1px solid var(--line);color:var(--soft);font-size:.875rem}
footer p{max-width:50rem}
footer p+p{margin-top:.4rem}
@media (max-width:40rem){
.verdict{grid-template-columns:1fr;padding:1.2rem}.verdict svg{margin-bottom:.5rem}
.cards{grid-template-columns:1fr 1fr;gap:.75rem}.card{padding:.9rem 1rem}
.w3{width:3.6rem}
details.rule>summary{grid-template-columns:auto 1fr}.rule .cnt{grid-column:2;text-align:left}
.about{padding-left:1.1rem}}
@media (max-width:24rem){.cards{grid-template-columns:1fr}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media (forced-colors:active){.bar,.key svg{forced-color-adjust:none}}
@media print{@page{margin:14mm}
:root{--page:#fff}
html{font-size:8pt}
body{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.skip,.toc,.more>summary{display:none}
.wrap{max-width:none;padding:0}
.top .wrap{padding-block:4mm}
main .wrap>section{margin-top:8mm}
.cards{grid-template-columns:repeat(4,1fr)}
.charts{grid-template-columns:1fr 1fr}
.card,.charts .panel,.verdict,tr{break-inside:avoid}
h2,.rule summary,.about{break-after:avoid}
thead{display:table-header-group}
.grid,.rec{min-width:0}
.grid th,.grid td{padding:.4rem .5rem}
.grid .sev,.grid .n .sub{white-space:normal}
.scroll{overflow:visible}
.rule{overflow:visible}
details.rule>summary::before{display:none}
details::details-content{content-visibility:visible;display:block;height:auto}
a{color:inherit;text-decoration:none}}
)css";

}  // namespace edcert::render
