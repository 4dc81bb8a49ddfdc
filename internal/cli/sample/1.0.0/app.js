document.title += " – open";
