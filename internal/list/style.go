package list

// style is the style sheet of every page. It draws the icons before the names, by the class
// of the row, without images or fonts, and so that screen readers skip them. It draws the
// sort arrow where it does not shift the word within its column.
const style = `
:root{color-scheme:light dark;--fg:#1b1f24;--dim:#57606a;--bg:#fff;--line:#e4e8ec;--row:#f3f6f9;--link:#0550ae;--seen:#6639ba}
@media screen and (prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#9aa4ae;--bg:#0d1117;--line:#262c34;--row:#161b22;--link:#79b8ff;--seen:#d2a8ff}}
*{box-sizing:border-box}
html{scroll-padding:4rem 0 2rem}
body{margin:0 auto;max-width:60rem;padding:1rem 1.25rem 2rem;font:1rem/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg)}
a{color:var(--link);text-decoration:none}
a:hover,h1 a,footer a{text-decoration:underline 1px;text-underline-offset:.2em}
a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.skip,caption{position:absolute;left:-100vw}
.skip{padding:.25rem .5rem;background:var(--bg)}
.skip:focus{left:1rem;top:.25rem;z-index:2}
header{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:0 1.5rem}
h1{margin:0;font-size:1.25rem;font-weight:400;line-height:1.4;color:var(--dim);overflow-wrap:anywhere}
h1 b,[aria-sort] a{font-weight:600;color:var(--fg)}
header p,footer{margin:0;color:var(--dim);font-size:.9rem}
table{width:calc(100% + 1rem);margin:.75rem -.5rem 0;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .5rem;text-align:left;font-weight:400;white-space:nowrap;vertical-align:baseline;color:var(--dim)}
th:nth-child(2),td:nth-child(2){text-align:right}
th{position:sticky;top:0;z-index:1;font-size:.9rem;background:var(--bg);box-shadow:inset 0 -1px var(--line)}
th a{display:inline-flex;gap:.3em;color:var(--dim)}
th:nth-child(2) a{flex-direction:row-reverse}
[aria-sort=ascending] a::after{content:"↑"/""}
[aria-sort=descending] a::after{content:"↓"/""}
tbody tr{border-bottom:1px solid var(--line)}
tbody tr:hover{background:var(--row)}
td:first-child{width:100%;padding:0;white-space:normal}
td bdi,td a{display:block}
td a{position:relative;padding:.3rem .5rem .3rem 2.4rem;white-space:pre-wrap;overflow-wrap:anywhere}
td a:visited{color:var(--seen)}
td a:focus-visible{outline-offset:-2px}
wbr{display:none}
td a::before{content:"";position:absolute;left:.65rem;top:.5rem;width:.85rem;height:1.05rem;border:1.5px solid var(--k,var(--dim));border-radius:2px 5px 2px 2px;background:var(--b)}
.up a::before{left:.75rem;top:.9rem;width:.6rem;height:.6rem;border-width:1.5px 0 0 1.5px;border-radius:0;rotate:45deg}
.folder a{font-weight:600}
.folder{--k:#d9a441;--b:var(--k)}
.folder a::before,.image a::before,.video a::before{left:.5rem;top:.6rem;width:1.15rem;height:.85rem;border-radius:2px}
.folder a::before{border-radius:1px 4px 2px 2px;box-shadow:inset 0 .2rem #0002}
.image{--k:#2da44e;--b:radial-gradient(circle at 28% 32%,var(--k) .1rem,#0000 .13rem),linear-gradient(150deg,#0000 55%,var(--k) 56%)}
.video{--k:#c23;--b:conic-gradient(from 240deg at 85%,var(--k) 60deg,#0000 0)50%/.55rem .5rem no-repeat}
.audio{--k:#bf3989;--b:radial-gradient(var(--k) 22%,#0000 28%)}
.audio a::before{left:.55rem;top:.55rem;width:1rem;height:1rem;border-radius:50%}
.archive{--k:#bb8009;--b:repeating-linear-gradient(var(--k) 0 2px,#0000 2px 4px)center/.25rem 100% no-repeat}
.document{--k:#28f}
.document,.text{--b:repeating-linear-gradient(var(--k,var(--dim)) 0 1px,#0000 1px 4px)center .25rem/60% 65% no-repeat}
.code{--k:#96e;--b:linear-gradient(115deg,#0000 42%,var(--k) 44% 56%,#0000 58%)center/60% 50% no-repeat}
footer{margin-top:1rem}
@media(max-width:40rem){
table,thead,tbody{display:block}
tr{display:grid;grid-template-columns:1fr auto}
thead tr{grid-template-columns:1fr auto auto}
th{position:static}
td:first-child{grid-column:1/-1}
tbody tr{position:relative}
td a{position:static;padding-bottom:0}
td a::after{content:"";position:absolute;inset:0}
td:nth-child(n+2){padding-top:0;font-size:.85rem}
td:nth-child(2){padding-left:2.4rem;text-align:left}
td:empty{display:none}
.up a{padding-bottom:.3rem}
}
@media print{.skip,footer,td a::before{display:none}body{max-width:none;padding:0}table{width:100%;margin:.75rem 0 0}th{position:static}td a{padding-left:.5rem}}
`

// Policy is the Content-Security-Policy of a page. It allows the style sheet, by its hash,
// and images from the same server, such as /favicon.ico. If escaping ever failed, a name
// still could not load or run anything. After a change to style, a test prints the
// new hash.
const Policy = "default-src 'none'; style-src 'sha256-zE+J7zi882lNukBcgdB6Zy8WF4pkCQiPGNF5m0YO4Jc='; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
