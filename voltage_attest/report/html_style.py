"""The one style sheet of the HTML report: phone first, light and dark by the reader's setting, ink-saving on paper."""

from __future__ import annotations

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root{color-scheme:light dark;
--paper:#fbfbf9;--card:#fff;--ink:#1b1d22;--soft:#5d636e;--line:#e3e3de;--code:#f3f3ef;
--good:#157347;--good-bg:#e6f4ec;--bad:#b3261e;--bad-bg:#fcebea;--wait:#8a5a00;--wait-bg:#fdf3dc;--none:#7b818c;
--none-bg:#f0f0ed;
--mark:#f6c7c3;--accent:#2d5bd1}
@media (prefers-color-scheme:dark){:root{
--paper:#14161a;--card:#1c1f25;--ink:#e9e9e6;--soft:#a2a8b3;--line:#31353d;--code:#23272e;
--good:#5bc98c;--good-bg:#15301f;--bad:#ff8f86;--bad-bg:#3a1b1a;--wait:#f0bf5a;--wait-bg:#33270f;--none:#8c929d;
--none-bg:#262a31;
--mark:#7a2b27;--accent:#8fb0ff}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"DejaVu Sans",sans-serif}
main{max-width:66rem;margin:0 auto;padding:1.25rem 1rem 3rem}
h1,h2,h3,p,dl,dd,ul,ol,table,figure{margin:0;padding:0}
h2{font-size:1.15rem;letter-spacing:-.01em;margin:2.5rem 0 .75rem}
h3{font-size:1rem}
a{color:var(--accent)}
code,.hex{font:.85em/1.5 ui-monospace,"Cascadia Mono","SF Mono",Menlo,"DejaVu Sans Mono",monospace}
code{overflow-wrap:anywhere}
.hex{display:block;background:var(--code);border-radius:.4rem;padding:.45rem .6rem;overflow-wrap:anywhere;
word-break:break-all}
.hex+.hex{margin-top:.35rem}
.hex mark{background:var(--mark);color:inherit;border-radius:2px}
.soft{color:var(--soft)}
.small{font-size:.875rem}
.brand{display:flex;justify-content:space-between;gap:1rem;flex-wrap:wrap;font-size:.85rem;color:var(--soft);
margin-bottom:.75rem}
.brand b{color:var(--ink);letter-spacing:.02em}
.verdict{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;align-items:center;border-radius:1rem;
padding:1.25rem 1.4rem;
border:1px solid transparent}
.verdict svg{width:3rem;height:3rem}
.verdict h1{font-size:clamp(1.5rem,5vw,2.1rem);line-height:1.15;letter-spacing:-.02em}
.verdict p{grid-column:1/-1;font-size:1.05rem;margin-top:.5rem;color:var(--ink)}
.good{--tone:var(--good);--tone-bg:var(--good-bg)}.bad{--tone:var(--bad);--tone-bg:var(--bad-bg)}
.wait{--tone:var(--wait);--tone-bg:var(--wait-bg)}.none{--tone:var(--none);--tone-bg:var(--none-bg)}
.verdict.good,.verdict.bad,.verdict.wait{background:var(--tone-bg);
border-color:color-mix(in srgb,var(--tone) 35%,transparent);
color:var(--tone)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.9rem 1.5rem;margin-top:1.25rem}
.facts dt{font-size:.8rem;color:var(--soft)}
.facts dd{overflow-wrap:anywhere}
.card{background:var(--card);border:1px solid var(--line);border-radius:.8rem;padding:1rem 1.15rem;margin-top:.75rem}
.card.edge{box-shadow:inset .28rem 0 0 var(--tone);padding-left:1.4rem}
.card header{display:flex;gap:.5rem .75rem;flex-wrap:wrap;align-items:baseline}
.card h3{flex:1 1 16rem}
.card header code{overflow-wrap:anywhere}
.card .about{margin-top:.5rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr));gap:.75rem 1rem;margin-top:.75rem}
.label{font-size:.8rem;color:var(--soft);margin-bottom:.2rem}
.todo{margin-top:.75rem;padding-top:.75rem;border-top:1px solid var(--line)}
.pill{display:inline-block;font-size:.75rem;font-weight:600;line-height:1;padding:.3rem .5rem;border-radius:1rem;
color:var(--tone);
background:var(--tone-bg);white-space:nowrap}
.warning{background:var(--wait-bg);border-radius:.6rem;padding:.7rem .9rem;margin-top:.75rem}
.warning b{color:var(--wait)}
.chain{display:grid;grid-template-columns:minmax(0,30rem) minmax(0,1fr);gap:1.5rem;align-items:start}
.chain svg{width:100%;height:auto;display:block}
.chain text{font:600 12.5px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.chain .sub{font-weight:400;font-size:11px;fill:var(--soft)}
.chain .lane{font-size:11px;font-weight:600;fill:var(--soft);letter-spacing:.06em}
.chain .box{fill:var(--card);stroke:var(--tone);stroke-width:1.5}
.chain .none .box{stroke-dasharray:4 3}
.chain .link{fill:none;stroke:var(--tone);stroke-width:2}
.chain .none.link{stroke-dasharray:4 3}
.chain .dot{fill:var(--tone)}
.chain .sign{fill:none;stroke:var(--card);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.steps{list-style:none;display:grid;gap:.55rem;font-size:.92rem}
.steps li{display:grid;grid-template-columns:5.6rem 1fr;gap:.6rem;align-items:baseline}
table{border-collapse:collapse;width:100%}
th{font-size:.8rem;font-weight:500;color:var(--soft);text-align:left;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid var(--line)}
td{padding:.45rem .6rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
.measures{display:grid;gap:.75rem}.measures .card{margin:0}.others{padding-left:1.2rem}
.pair.one,.open,.behind{margin-top:.75rem}.pair.one{display:block}
td b,.pill{white-space:nowrap}
.bar{display:block;width:100%;height:1.1rem}
.bar .track{fill:var(--none-bg)}.bar .span{fill:var(--tone)}.bar .now{fill:var(--ink)}
.time{display:grid;grid-template-columns:minmax(8rem,15rem) minmax(0,1fr) minmax(9rem,13rem);gap:.35rem 1rem;
align-items:center;font-size:.9rem}
.time .small{color:var(--soft)}
.axis{display:flex;justify-content:space-between;font-size:.75rem;color:var(--soft)}
details{border-top:1px solid var(--line);padding:.5rem 0}
details:last-of-type{border-bottom:1px solid var(--line)}
summary{cursor:pointer;font-weight:600;display:flex;justify-content:space-between;gap:1rem;list-style-position:inside}
summary::before{content:"▸";color:var(--soft);margin-right:-.4rem}
details[open]>summary::before{content:"▾"}
summary::-webkit-details-marker{display:none}
summary span{font-weight:400;color:var(--soft);font-size:.875rem;margin-left:auto}
.rows{margin-top:.4rem;font-size:.9rem}
.rows li{display:grid;grid-template-columns:5.6rem minmax(0,1fr);gap:.6rem;padding:.28rem 0;align-items:baseline;
list-style:none}
.rows code{color:var(--soft)}
.index td:first-child{width:8.5rem}
.index{margin-bottom:3rem}article+article{margin-top:4rem;border-top:2px solid var(--line);padding-top:2rem}
footer{margin-top:3rem;font-size:.8rem;color:var(--soft);border-top:1px solid var(--line);padding-top:1rem}
@media (max-width:46rem){
.card h3{flex-basis:60%}.card header code{flex-basis:100%}
.chain{grid-template-columns:1fr}
.time{grid-template-columns:1fr}
.time>*:nth-child(3n){margin-bottom:.6rem}
.steps li,.rows li{grid-template-columns:5rem minmax(0,1fr)}
table.wide,table.wide tbody,table.wide tr,table.wide td{display:block}
table.wide thead{display:none}table.wide tr{border-bottom:1px solid var(--line);padding:.5rem 0}table.wide td{border:0;
padding:.1rem 0}
table.wide td[data-label]::before{content:attr(data-label) " ";color:var(--soft);font-size:.8rem}}
@media print{
:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--code:#f6f6f6;
--good:#0b5c35;--good-bg:#fff;--bad:#9b1c15;--bad-bg:#fff;--wait:#6d4700;--wait-bg:#fff;--none:#555;--none-bg:#f0f0f0;
--mark:#ddd;--accent:#000}
@page{margin:16mm 14mm}
body{font-size:10.5pt}main{max-width:none;padding:0}
.verdict{border:2px solid var(--tone)!important}.pill{border:1px solid var(--tone)}.warning{border:1px solid var(--wait)}
.card,.steps li,.rows li,tr,.chain svg,.verdict,.facts div{break-inside:avoid}h2,summary{break-after:avoid}
.bar,.verdict,.hex mark,.chain svg{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.card.long{break-inside:auto}.open{break-inside:avoid}
article+article{break-before:page;border:0;margin:0}
.chain{grid-template-columns:7.6cm 1fr;gap:.6cm}.steps{font-size:9pt;gap:.3rem}
.steps li{grid-template-columns:4.9rem 1fr}h2{margin-top:1.6rem}.card{padding:.6rem .8rem}.verdict{padding:.8rem 1rem}
details::details-content{content-visibility:visible;block-size:auto}
summary::before{content:none!important}}
"""
"""Colours are variables, so that a theme is one list; every one keeps 4.5:1 on its ground (WCAG 2.2 AA)."""
