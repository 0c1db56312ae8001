const answer = await fetch("/api/notes");
document.body.append(await answer.text());
