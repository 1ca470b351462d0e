/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Style and script of the status page. Nothing is loaded from elsewhere, and
 * the page works without the script: that only spares a reload.
 */
#ifndef CGI_STATUS_ASSETS_H
#define CGI_STATUS_ASSETS_H

/* clang-format off */
#define CGI_STATUS_STYLE \
":root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1c2430;" \
"--dim:#667080;--line:#e1e5ea;--good:#3b7dd8;--bad:#d6453d;--warn:#b26a00;" \
"--reading:#8e6bd1;--queued:#e09a1f;--waiting:#3b7dd8;--sending:#2c9a62;" \
"--finishing:#5aa88a;--lingering:#98a2b0}\n" \
"@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b212a;" \
"--text:#e4e8ee;--dim:#94a0b0;--line:#2c3541;--good:#6aa4f0;--bad:#f0766e;" \
"--warn:#e8b04d;--reading:#b79af0;--queued:#efb54b;--waiting:#6aa4f0;" \
"--sending:#59c48d;--finishing:#86cdb2;--lingering:#7d8896}}\n" \
"*{box-sizing:border-box}\n" \
"body{margin:0;background:var(--bg);color:var(--text);" \
"font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,Cantarell,sans-serif}\n" \
".page{max-width:80rem;margin:0 auto;padding:1.2rem}\n" \
"header{display:flex;flex-wrap:wrap;gap:.3rem 1rem;align-items:baseline;margin-bottom:1rem}\n" \
"h1{font-size:1.35rem;margin:0}\n" \
"h2{font-size:1rem;margin:0 0 .6rem}\n" \
"header p,.dim,.sub{color:var(--dim);margin:0}\n" \
".sub{display:block;font-size:.8rem}\n" \
".grow{flex:1}\n" \
".card{background:var(--card);border:1px solid var(--line);border-radius:10px;" \
"padding:1rem;margin-bottom:1rem;min-width:0}\n" \
".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:1rem;margin-bottom:1rem}\n" \
".tiles .card{margin:0}\n" \
".tile b{display:block;font-size:1.7rem;line-height:1.25;font-weight:600;" \
"font-variant-numeric:tabular-nums}\n" \
".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1rem}\n" \
"svg{display:block;max-width:100%}\n" \
".chart{width:100%;height:auto}.bar{width:100%;height:8px;border-radius:4px;margin:.5rem 0 .4rem}\n" \
".spark{width:55px;height:16px}\n" \
".good{fill:var(--good)}.bad{fill:var(--bad)}.none{fill:var(--line)}.grid{stroke:var(--line)}\n" \
".tick{fill:var(--dim);font-size:13px}.end{text-anchor:end}.mid{text-anchor:middle}\n" \
".key{display:flex;flex-wrap:wrap;gap:.1rem .9rem;font-size:.8rem;color:var(--dim);margin:0}\n" \
".key svg{display:inline-block;width:9px;height:9px;margin-right:.35rem}\n" \
".s-reading{fill:var(--reading)}.s-queued{fill:var(--queued)}.s-waiting{fill:var(--waiting)}" \
".s-sending{fill:var(--sending)}.s-finishing{fill:var(--finishing)}.s-lingering{fill:var(--lingering)}\n" \
".t-reading{color:var(--reading)}.t-queued{color:var(--queued)}.t-waiting{color:var(--waiting)}" \
".t-sending{color:var(--sending)}.t-finishing{color:var(--finishing)}.t-lingering{color:var(--lingering)}\n" \
".state{font-weight:600;white-space:nowrap}.error{color:var(--bad)}.warn{color:var(--warn)}\n" \
".scroll{overflow-x:auto}\n" \
"table{border-collapse:collapse;width:100%}\n" \
"th,td{text-align:left;padding:.4rem .7rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}\n" \
"tr:last-child td{border-bottom:0}\n" \
"th{font-size:.8rem;font-weight:600;color:var(--dim);white-space:nowrap}\n" \
"th a{color:inherit;text-decoration:none}th a:hover{text-decoration:underline}" \
"th[aria-sort] a{color:var(--text)}\n" \
".n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\n" \
".name{overflow-wrap:anywhere;min-width:11rem;max-width:26rem}\n" \
".tabs{display:flex;flex-wrap:wrap;gap:.3rem 1rem;align-items:baseline;margin-bottom:.4rem}\n" \
".tabs h2{margin:0}.tabs a{color:var(--dim);text-decoration:none;border-bottom:2px solid transparent}\n" \
".tabs a[aria-current]{color:var(--text);border-color:var(--good)}\n" \
"button{font:inherit;font-size:.85rem;padding:.15rem .6rem;border:1px solid var(--line);" \
"border-radius:6px;background:var(--card);color:var(--text);cursor:pointer}\n" \
"button:hover,button:focus-visible{border-color:var(--good)}" \
"button.stop:hover,button.stop:focus-visible{border-color:var(--bad);color:var(--bad)}\n" \
"form{margin:0}meter{width:7rem}a{color:var(--good)}\n" \
"[hidden]{display:none}\n" \
"@media(max-width:46rem){.page{padding:.7rem}header .grow{order:1;flex-basis:100%}" \
".tiles{grid-template-columns:1fr 1fr;gap:.7rem}.chart{overflow:visible}.tick{font-size:24px}" \
".rows thead{position:absolute;clip-path:inset(50%)}" \
".rows tr{display:grid;grid-template-columns:1fr 1fr;gap:.1rem .8rem;padding:.6rem 0;border-bottom:1px solid var(--line)}" \
".rows tr:last-child{border:0}.rows td{border:0;padding:0;display:flex;justify-content:space-between;gap:.6rem;text-align:right;white-space:normal}" \
".rows td::before{content:attr(data-name);color:var(--dim);font-size:.8rem}" \
".rows td.name{grid-column:1/-1;display:block;text-align:left;max-width:none}.rows td.name::before{content:none}}\n"

/* Fetches the page anew and puts in what has changed: the window stays where
 * it is, and what has the focus keeps it. The new page's own style and script
 * have another nonce, and are left out. */
#define CGI_STATUS_SCRIPT \
"(function(){'use strict';\n" \
"var d=document,button=d.getElementById('pause'),note=d.getElementById('note')," \
"seconds=+d.documentElement.dataset.refresh,paused=false,busy=false,timer;\n" \
"function put(text){\n" \
" text=text.slice(text.indexOf('<div class=\"page\">'),text.lastIndexOf('<script'));\n" \
" var fresh=new DOMParser().parseFromString(text,'text/html'),focus=d.activeElement&&d.activeElement.id;\n" \
" d.querySelectorAll('[data-live]').forEach(function(old){\n" \
"  var now=fresh.getElementById(old.id);\n" \
"  if(now&&now.innerHTML!==old.innerHTML)old.innerHTML=now.innerHTML;});\n" \
" if(focus&&d.getElementById(focus))d.getElementById(focus).focus({preventScroll:true});}\n" \
"function load(url,options){\n" \
" busy=true;clearTimeout(timer);\n" \
" return fetch(url,Object.assign({credentials:'same-origin',cache:'no-store'},options)).then(function(r){\n" \
"  if(!r.ok)throw new Error(r.status+' '+r.statusText);return r.text();}).then(function(text){\n" \
"  put(text);note.textContent='';}).catch(function(e){\n" \
"  note.textContent='No answer: '+e.message;}).then(function(){busy=false;plan();});}\n" \
"function plan(){clearTimeout(timer);if(!paused&&seconds>0)timer=setTimeout(tick,seconds*1000);}\n" \
"function tick(){var s=getSelection();\n" \
" if(d.hidden||busy||(s&&!s.isCollapsed))plan();else load(location.href);}\n" \
"d.addEventListener('click',function(e){var a=e.target.closest('a[data-view]');\n" \
" if(a&&!e.ctrlKey&&!e.metaKey&&!e.shiftKey&&!e.button){e.preventDefault();\n" \
"  history.replaceState(null,'',a.href);load(a.href);}});\n" \
"d.addEventListener('submit',function(e){e.preventDefault();var f=e.target;\n" \
" if(!confirm(f.dataset.ask))return;\n" \
" load(f.action,{method:'POST',body:new URLSearchParams(new FormData(f)),redirect:'follow'}).then(function(){\n" \
"  setTimeout(function(){load(location.href);},900);});});\n" \
"button.addEventListener('click',function(){paused=!paused;\n" \
" button.textContent=paused?'Resume':'Pause';button.setAttribute('aria-pressed',paused);\n" \
" if(paused)clearTimeout(timer);else load(location.href);});\n" \
"d.addEventListener('visibilitychange',function(){if(!d.hidden&&!paused&&!busy)load(location.href);});\n" \
"if(seconds>0){button.hidden=false;plan();}\n" \
"})();\n"
/* clang-format on */

#endif /* CGI_STATUS_ASSETS_H */
