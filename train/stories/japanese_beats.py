"""How each beat of the plots is told in Japanese, first half. One of the variants is drawn for each beat."""
# ruff: noqa: E501 - tables read best with one entry on a line

Beats = dict[str, tuple[str, ...]]

BEATS: Beats = {
    # Every story's opening.
    "hero": (
        "あるところに、{hero_full}が<いる>。",
        "{place}の近くに、{hero_full}が住んで<いる>。",
        "{place}の近くの小さな家に、{hero_full}が住んで<いる>。",
        "{hero}という、{trait}{hero_kind}が<いる>。",
        "{hero}は{trait}{hero_kind}<だ>。",
        "{place}の近くに、{hero}という{trait}{hero_kind}が住んで<いる>。",
        "小さな村に、{trait}{hero_kind}の{hero}が<いる>。",
    ),
    "likes": (
        "{hero}は{hobby}のが大好き<だ>。",
        "{hero}の好きな食べ物は{food}<だ>。",
        "{hero}は{hobby}のが好きで、いつもにこにこして<いる>。",
        "{hero}は{food}と{food2}が大好き<だ>。",
        "{hero}は{hobby}のも、{hobby2}のも好き<だ>。",
        "{hero}のたからものは、{treasure}<だ>。",
    ),
    # A thing is lost and found again.
    "lost_start": (
        "ある日、{hero}は{thing}を持って{place}へ<行く>。",
        "{hero}は新しい{thing}を持って、{place}へ遊びに<行く>。",
        "{hero}は{thing}をとても大切にして<いる>。その日も{thing}を持って、{place}で<遊ぶ>。",
        "ある日、{hero}はおばあさんから{thing}を<もらう>。うれしくて、それを持って{place}へ<行く>。",
        "{hero}は大切な{thing}を持って、{along}をさんぽして<いる>。",
    ),
    "lost_notice": (
        "ところが、気がつくと{thing}が<ある:neg>。",
        "帰る時間になって、{hero}は{thing}がないことに気が<つく>。",
        "しばらくすると、大切な{thing}がなくなって<いる>。",
        "「あれ、{hero_i}の{thing}がない。」と{hero}は<言う>。",
        "遊んでいるうちに、{thing}をどこかに落として<しまう>。",
    ),
    "lost_sad": (
        "{hero}はかなしくて、なみだが<出る>。",
        "{hero}はとても<こまる>。",
        "「どうしよう。」と{hero}はなきそうに<なる>。",
        "{hero}のむねはどきどき<する>。",
    ),
    "lost_search": (
        "{hero}は{wrong}を<さがす>。でも、何も<ある:neg>。",
        "まず、{wrong}を<見る>。けれども、そこには<ある:neg>。",
        "{hero}は{wrong}も、道の上も<さがす>。でも、{thing}は<見つかる:neg>。",
        "「ここかな。」と{hero}は{wrong}を<見る>。でも、ちがうものばかり<だ>。",
        "{hero}はひとりで{wrong}を<さがす>。それでも<見つかる:neg>。",
    ),
    "lost_meet": (
        "そこへ、{friend_full}がやって<くる>。「どうしたの。」と{friend}は<聞く>。",
        "そのとき、{friend_full}が<通りかかる>。「何をさがしているの。」と{friend}は<聞く>。",
        "「こまった顔をしているね。」と、{friend_full}が声を<かける>。",
        "{hero}を見て、{friend_full}が走って<くる>。「だいじょうぶ。」と{friend}は<聞く>。",
    ),
    "lost_tell": (
        "「{thing}をなくしたんだ。」と{hero}は<答える>。「じゃあ、いっしょにさがそう。」と{friend}は<言う>。",
        "{hero}がわけを話すと、{friend}は「いっしょにさがすよ。」と<言う>。",
        "わけを聞いた{friend}は、「{friend_i}も手つだうよ。」と<言う>。",
        "「{thing}が見つからないの。」と{hero}は<言う>。{friend}はうなずいて、すぐに<さがす>。",
    ),
    "lost_found": (
        "ふたりで{along}を歩くと、{spot}に{thing}が<ある>。",
        "「あったよ。」と{friend}が<さけぶ>。{thing}は{spot}に<ある>。",
        "{friend}は{spot}で{thing}を<見つける>。「これかな。」「うん、それだよ。」",
        "ふたりはいっしょうけんめい<さがす>。すると、{spot}に{thing}が落ちて<いる>。",
        "{spot}で何かが<光る>。それは{hero}の{thing}<だ>。",
    ),
    "lost_thanks": (
        "「見つけてくれて、ありがとう。」と{hero}は<言う>。",
        "{hero}は{thing}を手に取って、「ありがとう、{friend}。」と<言う>。",
        "{hero}はうれしくて、{friend}に何度もお礼を<言う>。",
        "「{friend}のおかげだよ。」と{hero}は<笑う>。",
    ),
    "lost_end": (
        "それから{hero}は、{thing}をもっと大切に<する>。",
        "ふたりは手をつないで、いっしょに家へ<帰る>。",
        "次の日から、ふたりはいちばんの友だちに<なる>。",
        "お礼に、{hero}は{friend}に{food}を<あげる>。ふたりはにこにこ<笑う>。",
        "それからふたりは、日がくれるまで{place}で<遊ぶ>。",
        "{hero}は{thing}をしっかり持って、うれしそうに家へ<帰る>。",
    ),
    # Somebody needs help.
    "help_start": (
        "ある日、{hero}は{place}へ<行く>。",
        "{hero}は{food}を買いに、{place}の近くの店へ行くところ<だ>。",
        "ある朝、{hero}はひとりで{along}を<歩く>。",
        "{hero}は歌を歌いながら、{along}を歩いて<いる>。",
        "ある日、{hero}は{thing}を持って{along}を歩いて<いる>。",
    ),
    "help_see": (
        "すると、{problem_state}", "見ると、{problem_state}", "道のとちゅうで、{problem_state}",
        "だれかの声がする方へ行くと、{problem_state}",
    ),
    "help_cry": (
        "{problem_cry}と{friend}は<言う>。", "「どうしたの。」と{hero}が聞くと、{problem_cry}と{friend}は<答える>。",
        "{problem_cry}と{friend}は小さな声で<言う>。",
    ),
    "help_reply": (
        "「{hero_i}が助けるよ。」と{hero}は<言う>。", "「いい考えがあるよ。」と{hero}は<言う>。",
        "「だいじょうぶ。すぐに助けるからね。」と{hero}は<言う>。", "{hero}は少し<考える>。「そうだ、こうしよう。」",
        "{hero}はすぐに{friend}のところへ<走る>。",
    ),
    "help_act": ("{problem_act}", "{problem_act}", "それから、{problem_act}"),
    "help_done": ("{problem_done}", "{problem_done}「やったね。」と{hero}は<言う>。", "{problem_done}ふたりはほっと<する>。"),
    "help_thanks": (
        "「助けてくれて、ありがとう。」と{friend}は<言う>。", "{friend}は{hero}にお礼を言って、{food}を<くれる>。",
        "「{hero}はやさしいね。」と{friend}は<笑う>。", "「こんどは{friend_i}が助けるね。」と{friend}は<言う>。",
        "{friend}はうれしそうに、{hero}の手を<にぎる>。", "次の日、{friend}はお礼に{food}を{food_n}持って<くる>。",
    ),
    "help_end": (
        "{hero}の心はあたたかく<なる>。", "それからふたりは、いっしょに{goal}へ<行く>。",
        "こうして、ふたりは友だちに<なる>。", "ふたりは{food}を半分ずつ<食べる>。",
        "その夜、{hero}はうれしい気持ちで<ねる>。", "ふたりは{together}。",
    ),
    # Food is shared.
    "share_start": (
        "ある日、{hero}は{food}を{food_n}持って{place}へ<行く>。", "お母さんが{hero}に{food}を{food_n}<くれる>。",
        "{hero}は{place}で{food}を食べるのを楽しみにして<いる>。", "{hero}のかばんには、{food}が{food_n}入って<いる>。",
        "朝早く、{hero}は店で{food}を{food_n}<もらう>。",
    ),
    "share_meet": (
        "{place}に着くと、{friend_full}がひとりですわって<いる>。", "{along}に、{friend_full}が<いる>。{friend}のおなかがグーと<なる>。",
        "道で、{friend_full}に<会う>。{friend}は元気が<ある:neg>。", "{place}では、{friend_full}が下をむいて<いる>。",
    ),
    "share_why": (
        "「おべんとうを家に忘れたの。」と{friend}は<言う>。", "「おなかがすいて、歩けないよ。」と{friend}は<言う>。",
        "「{friend_i}のおべんとうは、川に落ちてしまったんだ。」と{friend}は<言う>。",
        "「どうしたの。」と{hero}が聞くと、{friend}はおなかに手を<あてる>。「何も食べていないの。」",
        "「朝から何も食べていないの。」と{friend}は小さな声で<言う>。",
    ),
    "share_think": (
        "{hero}は少し<考える>。", "{hero}は{food}をじっと<見る>。「ふたりで食べた方がおいしいかな。」",
        "{hero}はほんとうは、ひとりでぜんぶ食べるつもり<だ>。", "「{hero_i}もおなかがすいているけれど。」と{hero}は<思う>。",
    ),
    "share_give": (
        "「いっしょに食べよう。」と{hero}は<言う>。", "{hero}は{food}を半分、{friend}に<あげる>。",
        "「半分ずつにしようよ。」と{hero}は{food}を<分ける>。", "「はい、どうぞ。」と{hero}は{food}を<わたす>。",
    ),
    "share_eat": (
        "ふたりはならんで{food}を<食べる>。", "「とてもおいしいね。」と{friend}は<言う>。",
        "ふたりで食べる{food}は、いつもよりずっと<おいしい>。", "{friend}は大きな口で{food}を<食べる>。「あまくて、おいしい。」",
        "草の上にすわって、ふたりはゆっくり<食べる>。",
    ),
    "share_end": (
        "次の日、{friend}はお礼に{food2}を{food2_n}持って<くる>。", "おなかがいっぱいになって、ふたりは{together}。",
        "「ありがとう、{hero}。」と{friend}は<笑う>。", "それからふたりは、何でも分けるように<なる>。",
        "「こんどは{friend_i}の{food2}を分けるね。」と{friend}は<言う>。", "{hero}は、分けるともっと楽しいことを<知る>。",
    ),
    # A fear is overcome.
    "brave_cause": (
        "{hero}は{friend_full}といっしょに<いる>。{fear_cause}", "{hero}は{friend_full}と友だち<だ>。{fear_cause}", "{hero}は{friend_full}と遊んで<いる>。{fear_cause}",
        "{hero}と{friend_full}は、よくいっしょに<遊ぶ>。{fear_cause}",
    ),
    "brave_say": (
        "{fear_say}と{hero}は<言う>。", "{hero}の足が<ふるえる>。{fear_say}", "{fear_say}と{hero}は小さな声で<言う>。",
        "{hero}はないて<しまう>。{fear_say}", "{hero}のむねがどきどき<する>。{fear_say}",
    ),
    "brave_friend": (
        "すると、{friend}が<言う>。{fear_advice}", "{fear_advice}と{friend}は<言う>。",
        "{friend}は{hero}のそばに<くる>。{fear_advice}", "{friend}はやさしく<笑う>。{fear_advice}",
    ),
    "brave_act": (
        "{fear_act}", "{hero}は<うなずく>。{fear_act}", "「うん、やってみる。」と{hero}は<言う>。{fear_act}",
    ),
    "brave_after": ("{fear_after}", "{fear_after}", "「だいじょうぶだよ。」と{friend}が<言う>。{fear_after}"),
    "brave_end": (
        "「もうこわくないよ。」と{hero}は<言う>。", "{hero}は前より少し強く<なる>。", "「{hero}はゆうきがあるね。」と{friend}は<言う>。",
        "{hero}は{friend}に「ありがとう。」と<言う>。", "友だちといっしょなら、もう何も<こわい:neg>。",
        "「やればできるんだね。」と{hero}は<笑う>。", "その日、ふたりは{food}を食べて、おいわいを<する>。",
    ),
    # Something is made.
    "make_idea": (
        "「{craft_name}を作りたいな。」と{hero}は<思う>。", "ある日、{hero}は{craft_name}を作ることに<する>。",
        "{hero}は友だちのために、{craft_name}を作りたいと<思う>。", "「きょうは{craft_name}を作ろう。」と{hero}は<言う>。",
    ),
    "make_join": (
        "{friend_full}が「手つだうよ。」と<言う>。", "そこへ、{friend_full}が<くる>。「いっしょに作ろう。」と{hero}は<言う>。",
        "{hero}は{friend_full}を<よぶ>。{friend}はよろこんでやって<くる>。",
        "「{friend_i}もやりたい。」と、{friend_full}が<言う>。",
    ),
    "make_step1": ("はじめに、{craft_step1}", "まず、{craft_step1}", "{hero}がはじめに、{craft_step1}"),
    "make_step2": ("次に、{craft_step2}", "それから、{craft_step2}", "{friend}が次に、{craft_step2}"),
    "make_trouble": (
        "「むずかしいね。」と{friend}は<言う>。それでも、ふたりは<あきらめる:neg>。", "一度しっぱいしたけれど、ふたりはもう一度やって<みる>。",
        "ふたりはつかれて、{food}を食べながら少し<休む>。", "「もう少しだよ。」とふたりは声をかけ<あう>。",
    ),
    "make_step3": ("さいごに、{craft_step3}", "さいごに、ふたりで{craft_step3}", "そして、{craft_step3}"),
    "make_done": ("{craft_done}", "{craft_name}が<できる>。{craft_done}", "「できた。」とふたりは<さけぶ>。{craft_done}"),
    "make_end": (
        "「ふたりで作ると楽しいね。」と{hero}は<言う>。", "ふたりは手をたたいて<よろこぶ>。", "「また作ろうね。」と{friend}は<言う>。",
        "ふたりはその{craft_name}を、みんなに<見せる>。", "「すてきな{craft_name}だね。」と、お母さんが<ほめる>。",
        "{hero}は{friend}にお礼を言って、{food}を<あげる>。",
    ),
    # The weather has other plans.
    "weather_plan": (
        "その日、{hero}は{friend_full}と{place}で{plan_name}をするつもり<だ>。", "{hero}と{friend_full}は、{place}で{plan_name}をするやくそくを<する>。",
        "「あしたは{place}で{plan_name}をしよう。」と、{hero}は{friend_full}に<言う>。",
        "{hero}は{friend_full}と、{plan_name}をしに{place}へ行くところ<だ>。",
    ),
    "weather_ready": (
        "{plan_ready}", "朝早く起きて、{plan_ready}", "「早く行きたいね。」とふたりは<笑う>。", "{hero}はうれしくて、歌を<歌う>。",
    ),
    "weather_turn": ("{storm_turn}", "{storm_turn}{storm_say}と{friend}は<言う>。", "{storm_turn}{storm_say}"),
    "weather_sad": (
        "「ざんねんだね。」と{hero}は<言う>。", "{hero}はがっかりして、まどの外を<見る>。", "ふたりはいそいで{hero}の家に<帰る>。",
        "「{plan_name}はできないね。」と{friend}は<言う>。", "ふたりは家の中で、外をながめて<いる>。",
    ),
    "weather_idea": (
        "「じゃあ、家で{indoor_lets}。」と{hero}は<言う>。", "「いい考えがあるよ。{indoor_lets}。」と{friend}は<言う>。",
        "そのとき、{friend}が<言う>。「家の中で{indoor_lets}。」",
    ),
    "weather_play": (
        "ふたりは{indoor_did}。", "ふたりはいっしょに{indoor_did}。とても<楽しい>。", "ふたりは{food}を食べてから、{indoor_did}。",
        "ふたりは笑いながら{indoor_did}。",
    ),
    "weather_end": (
        "{storm_after}", "{storm_after}「よかったね。」とふたりは<言う>。", "{storm_after}「さあ、外へ行こう。」と{hero}は<言う>。",
        "「家の中も楽しいね。」と{hero}は<言う>。", "{storm_after}ふたりは外へ走って<行く>。",
        "「{plan_name}は、またこんど行こうね。」と{friend}は<言う>。",
    ),
}  # fmt: skip
