"""How the page looks."""
# ruff: noqa: E501 - a style sheet

STYLE = """
:root{--ink:#1d2433;--soft:#5b6577;--line:#e3e7ee;--wash:#f6f8fb;--good:#0a7d4f;--bad:#b42318;--open:#8a5a00;--calm:#0072b2}
*{box-sizing:border-box}
body{margin:0;color:var(--ink);background:#fff;font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%;overflow-wrap:break-word}
main{max-width:1080px;margin:0 auto;padding:0 24px 64px}
header{background:var(--wash);border-bottom:1px solid var(--line);padding:28px 0 14px;margin-bottom:8px}
header>div{max-width:1080px;margin:0 auto;padding:0 24px}
h1{color:var(--soft);font-size:13px;font-weight:400;letter-spacing:.06em;text-transform:uppercase;margin:0 0 14px}
article{background:#fff;border:1px solid var(--line);border-left:5px solid var(--soft);border-radius:6px;
padding:18px 24px 14px;margin:0 0 16px;break-inside:avoid}
article.augment{border-left-color:var(--good)}article.inconclusive{border-left-color:var(--open)}
article h2{font-size:30px;line-height:1.15;margin:0 0 10px;letter-spacing:-.015em;overflow-wrap:anywhere}
.augment h2{color:var(--good)}.inconclusive h2{color:var(--open)}
.task{color:var(--soft);margin:0 0 2px}
.halves{display:grid;gap:8px 40px;grid-template-columns:minmax(0,1fr) minmax(0,400px)}
.lead{font-size:18px;line-height:1.45;max-width:44em;margin:0 0 10px}
header svg{margin:4px 0 12px}header ul{margin:0 0 10px;padding-left:1.1em;max-width:56em}
li,dd,.hint{overflow-wrap:anywhere}
dl{margin:8px 0;font-size:14px;line-height:1.4}
dt{color:var(--soft);font-size:13px}dd{margin:0 0 7px}
h2{font-size:22px;margin:44px 0 4px;letter-spacing:-.01em}
h3{font-size:17px;margin:26px 0 2px}
p{margin:6px 0 12px;max-width:56em}
.hint,.unit,small{color:var(--soft)}
.unit,small{font-size:13px;font-weight:400}
.grid{display:grid;gap:22px 28px;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));margin:14px 0}
.grid.small{grid-template-columns:repeat(auto-fill,minmax(230px,1fr))}
figure{margin:0;min-width:0;break-inside:avoid}
figcaption{font-size:14px;line-height:1.35;margin-bottom:4px}
.events{list-style:none;margin:0 0 14px;padding:0 0 0 10px;border-left:2px solid var(--line);font-size:14px;line-height:1.5}
.events li{padding-left:64px;text-indent:-64px}.events b{font-weight:600}
.events small{display:inline-block;min-width:64px;text-indent:0;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:auto;font-family:inherit}
svg text{font-variant-numeric:tabular-nums}
svg .label{font-size:12px;fill:#1d2433}svg .head{font-size:12px;font-weight:600;fill:#1d2433}
svg .tick{font-size:10.5px;fill:#5b6577}
.scroll{overflow-x:auto;margin:12px 0}
table{border-collapse:collapse;width:100%;font-size:14.5px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:7px 12px;border-bottom:1px solid var(--line);vertical-align:top}
th:first-child,td:first-child,.left{text-align:left}
thead th{border-bottom:2px solid var(--line);font-weight:600}
td small{display:block}
code,.mono{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.bad{color:var(--bad);font-weight:600}.good{color:var(--good);font-weight:600}
.legend span{display:inline-block;margin-right:16px;font-size:14px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:50%;margin-right:6px;vertical-align:-1px}
.legend i.box{border-radius:2px}
.time{min-width:120px}.time i{display:inline-block;height:11px;min-width:1px;border-radius:2px;background:var(--calm)}
details{margin:10px 0}summary{cursor:pointer;color:var(--calm)}
pre{background:var(--wash);border:1px solid var(--line);border-radius:6px;padding:14px;overflow-x:auto;
font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media(max-width:760px){.halves{grid-template-columns:minmax(0,1fr)}article h2{font-size:25px}.lead{font-size:17px}
article{padding:14px 14px 10px}main,header>div{padding-left:12px;padding-right:12px}th,td{padding:6px 8px}
.grid{grid-template-columns:minmax(0,1fr)}}
@media print{body{font-size:11pt}header{background:none}h2{break-after:avoid}.scroll{overflow:visible}
main,header>div{max-width:none;padding:0}tr{break-inside:avoid}}
"""
